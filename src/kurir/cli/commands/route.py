"""``kurir route``: which road a mail would take now, and why not the others."""

import asyncio
from typing import Any

import click

from kurir.app.operating import roadlook
from kurir.cli.commands.limits import words
from kurir.cli.help import Command, common, option
from kurir.cli.output import Failure, configuration, document, moment, prose, size
from kurir.cli.words import current, say
from kurir.config.units import octets
from kurir.limits import unencoded
from kurir.model import AddressError, Cause, normalise_domain, parse_address
from kurir.model.told import of_error
from kurir.trace import Catalogue, say_noted, say_told

_PASSING = frozenset({"broken", "budget"})
"""The obstacles that time mends."""


@click.command(cls=Command)
@click.argument("sender")
@click.argument("recipient")
@option("--size", "large", metavar="SIZE", default="0", help="opt.mail_size")
@common
def command(sender: str, recipient: str, large: str, config_file: str | None, as_json: bool) -> int:
    """Explain which road a mail would take now; exit 1 where it would have to wait or cannot go at all."""
    _, config = configuration(config_file)
    try:
        length = octets(large)
        assert isinstance(length, int)
    except ValueError as e:
        raise Failure(say_told(of_error(e), current())) from None
    domain = _domain(recipient)
    plan = asyncio.run(roadlook.planned(config, _domain(sender), domain))
    choices = roadlook.explained(config, plan, length) if plan.roads else []
    free = any(c["taken"] and not c["obstacles"] for c in choices)
    if as_json:
        failure = say_noted(plan.failure.detail, current()) if plan.failure else ""
        document(
            {"sender": sender, "recipient": recipient, "size": length, "failure": failure, "roads": choices}
        )
    elif plan.failure is not None:
        prose(say("route.none", recipient=recipient, why=say_noted(plan.failure.detail, current())))
    else:
        for line in _lines(sender, recipient, length, choices):
            prose(line)
    return 0 if free else 1


def _domain(text: str) -> str:
    """Return the domain of an address, or a domain itself; "" for the null sender."""
    if text in ("", "<>"):
        return ""
    try:
        return parse_address(text).domain if "@" in text else normalise_domain(text)
    except AddressError as e:
        raise Failure(say_told(of_error(e), current())) from None


def _lines(sender: str, recipient: str, length: int, choices: list[dict[str, Any]]) -> list[str]:
    """Return which road is taken, then for each road in its order what speaks for or against it."""
    taken = next(c for c in choices if c["taken"])
    against = [{kind for kind, _ in choice["obstacles"]} for choice in choices]
    key = "route.takes" if not taken["obstacles"] else "route.waits"
    if all("size" in kinds for kinds in against):
        key = "route.too_large"
    elif all(kinds - _PASSING for kinds in against):
        key = "route.never"
    mail = say("route.mail", sender=sender or "<>", recipient=recipient)
    if length:
        mail = say("route.mail_sized", sender=sender or "<>", recipient=recipient, size=size(length))
    lines = [say(key, mail=mail, road=taken["road"], site=taken["site"])]
    for number, (choice, kinds) in enumerate(zip(choices, against, strict=True), 1):
        lines += ["", say("route.road", number=number, road=choice["road"], site=choice["site"])]
        if not kinds:
            said = "probe" if choice["probe"] else "free" if choice["taken"] else "spare"
            lines.append("    " + say(f"route.{said}"))
        lines += [f"    {obstacle(kind, values, choice['limit'])}" for kind, values in choice["obstacles"]]
        if choice["free_at"] and kinds <= _PASSING:
            lines.append("    " + say("route.free_at", time=moment(choice["free_at"])))
    return lines


def obstacle(kind: str, values: dict[str, str], spent: dict[str, Any] | None) -> str:
    """Return why a road may not be taken, in one sentence; `spent` is the limit that is used up, where one is."""
    said: dict[str, Any] = dict(values)
    if values.get("cause"):
        said["cause"] = Catalogue.load().label(Cause(values["cause"]), current())
    if kind == "size":
        said |= {name: size(int(values[name])) for name in ("size", "limit")}
        said["fit"] = size(unencoded(int(values["limit"])))
    if kind == "budget" and spent is not None:
        said["limit"] = f"{words(spent)} ({spent['label']})"
    if "seconds" in values:
        said["minutes"] = max(1, round(float(values["seconds"]) / 60))
    if kind == "authenticity":
        known = values["spf"] != "unknown"
        said["result"] = (
            say("obstacle.spf_result", spf=values["spf"]) if known else say("obstacle.spf_unknown")
        )
        said["advice"] = (
            say("obstacle.include", include=values["include"]) if values["include"] else say("obstacle.sign")
        )
    return say(f"obstacle.{kind}", **said)
