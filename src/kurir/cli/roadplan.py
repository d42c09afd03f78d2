"""A new road in the making: what the atlas knows of the services, what has to be asked, and what it takes outside."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import click
import msgspec

from kurir.app.wiring import roads
from kurir.cli.commands.limits import note_of, words
from kurir.cli.output import Failure, table
from kurir.cli.words import current, say
from kurir.config import Config
from kurir.config.road_schema import DIRECT
from kurir.limits import Limit, Smarthost
from kurir.trace import say_noted

_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class NewRoad:
    """A road that is not written yet; `service` is what the atlas knows of it."""

    name: str
    url: str
    username: str
    password_file: Path | None
    plan: str
    fallback_of: str
    service: Smarthost | None

    def values(self) -> dict[str, str]:
        """Return the keys of its section."""
        return {
            "name": self.name,
            "url": self.url,
            "username": self.username,
            "password_file": str(self.password_file.absolute()) if self.password_file else "",
            "provider": self.service.name if self.service else "",
            "plan": self.plan,
        }


def services(config: Config) -> Sequence[Smarthost]:
    """Return the services that the atlas knows, by name."""
    return sorted(roads.atlas(config).smarthosts, key=lambda service: service.name)


def choose_service(
    config: Config, name: str | None, url: str | None, login: str, *, talk: bool
) -> Smarthost | None:
    """Return the service that was named or chosen, or that the atlas knows at `url`; None for a stranger."""
    known = services(config)
    by_name = {s.name: s for s in known}
    if name is None and url is None:
        if not talk:
            raise Failure(say("road.name_one"))
        table([say("label.service"), say("label.allows"), say("label.needs")], [_offer(s) for s in known])
        name = click.prompt(say("road.which"))
    if name is None:
        return roads.atlas(config).smarthost(urlsplit(url or "").hostname or "", login)
    if name not in by_name:
        close = difflib.get_close_matches(name, by_name, 1)
        hint = (
            say("error.did_you_mean", name=close[0])
            if close
            else say("road.services", names=", ".join(by_name))
        )
        raise Failure(say("road.no_service", name=name) + " " + hint)
    return by_name[name]


def _offer(service: Smarthost) -> tuple[str, str, str]:
    counted = [
        x for x in service.limits if x.per.value in ("day", "hour", "month") or x.unit.value == "octets"
    ]
    allows = "; ".join(_limit(x) for x in counted[:3]) or _UNKNOWN
    needs = ", ".join(f"{a.port} {a.tls}" for a in service.access[:2]) or _UNKNOWN
    return f"{service.name} ({service.label})", allows, needs


def _limit(limit: Limit, *, noted: bool = False) -> str:
    plain = dict(msgspec.to_builtins(limit))
    more = "; ".join(filter(None, (limit.plan, note_of(limit.note, limit.note_id) if noted else "")))
    return words(plain) + (f" ({more})" if more else "")


def ask(config: Config, new: NewRoad, *, talk: bool) -> NewRoad:
    """Complete a road: by what follows from the service, and where a person is there by asking."""
    names = {r.name for r in config.roads}
    if not new.url:
        new = replace(new, url=_url(new.service))
    if not new.name:
        new = replace(new, name=_free_name(new.service.name if new.service else "alternative", names))
    elif new.name in names:
        raise Failure(say("road.name_taken", name=new.name))
    if talk and not new.username:
        new = replace(new, username=click.prompt(say("road.ask_username"), default="", show_default=False))
    if new.username and new.password_file is None:
        if not talk:
            raise Failure(say("road.password_missing"))
        new = replace(new, password_file=_keep_password(config, new.name))
    if not new.fallback_of:
        new = replace(new, fallback_of=_main(config))
    return new


def _url(service: Smarthost | None) -> str:
    hosts = [h for h in service.hosts if not h.startswith("*.")] if service else []
    if service is None or not hosts:
        raise Failure(say("road.url_missing", name=service.label if service else _UNKNOWN))
    access = next((a for a in service.access if "password" in a.auth or "app-password" in a.auth), None)
    access = access or next(iter(service.access), None)
    host = (access.host if access else "") or hosts[0]
    if access is None:
        return f"smtp://{quote(host)}:587?tls=require"
    if access.tls == "implicit":
        return f"smtps://{quote(host)}:{access.port}"
    return f"smtp://{quote(host)}:{access.port}?tls=require"


def _free_name(wanted: str, names: set[str]) -> str:
    numbered = (wanted if i == 1 else f"{wanted}-{i}" for i in range(1, 1000))
    return next(n for n in numbered if n not in names)


def _main(config: Config) -> str:
    """Return the road that most mail takes; "" in a playground, whose mail stays in its sandbox."""
    main = next((r for r in config.roads if "*" in r.senders and "*" in r.recipients), None)
    if main is not None:
        return main.name
    return "" if config.server.playground and not config.roads else DIRECT


def _keep_password(config: Config, name: str) -> Path:
    """Ask for the password and keep it in a file that only this user reads."""
    password = click.prompt(say("road.ask_password"), hide_input=True)
    file = config.server.state / f"road-{name}.password"
    file.touch(0o600)
    file.chmod(0o600)
    file.write_text(password + "\n", "utf-8")
    return file


def what_it_takes(new: NewRoad) -> list[str]:
    """Say what the service allows, and what has to be done outside of this server."""
    service = new.service
    lines = [say("road.about", road=new.name, url=new.url)]
    if new.fallback_of:
        lines.append(say("road.serves", main=new.fallback_of))
    else:
        lines.append(say("road.stands_alone", direct=DIRECT))
    if service is None:
        return [*lines, say("road.not_in_atlas")]
    allowed = [_limit(x, noted=True) for x in service.limits]
    lines.append(say("road.allows", limits="; ".join(allowed) or _UNKNOWN))
    doors = [
        say("road.door", port=a.port, tls=say(f"road.{a.tls}"), auth=", ".join(a.auth) or _UNKNOWN)
        for a in service.access
    ]
    if doors:
        lines.append(say("road.doors", doors="; ".join(doors)))
    if service.spf:
        include, sure = f"include:{service.spf.names[0]}", say(f"sure.{service.spf.confidence.value}")
        lines.append(
            say(
                "road.spf",
                include=include,
                source=say_noted(service.spf.source, current()),
                seen=service.spf.seen,
                sure=sure,
            )
        )
    lines.append(say("road.dkim"))
    if note := note_of(service.note, service.note_id):
        lines.append(say("road.note", note=note))
    return lines
