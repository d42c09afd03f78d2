"""``kurir doctor``: is this server set up right?"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import click

from kurir.app.operating import control, reading, tlslook
from kurir.app.process.clock import SystemClock
from kurir.app.wiring import settings
from kurir.app.wiring.setup import examined
from kurir.cli.help import Command, common
from kurir.cli.output import document, table, when
from kurir.cli.words import current, say
from kurir.config import Config, ConfigError, Mistake, find
from kurir.doctor import (
    Place,
    certificate,
    clock,
    disk,
    dnssec,
    kept,
    open_roads,
    permissions,
    ports,
    resolvers,
)
from kurir.model import Cause, Finding, Severity
from kurir.model.told import of_error, unpack
from kurir.net import CachingResolver
from kurir.storage import CertificateFolder
from kurir.trace import Catalogue, say_told


@click.command(cls=Command)
@click.argument("what", required=False, type=click.Choice(["own"]), default="own")
@common
def command(what: str, config_file: str | None, as_json: bool) -> int:
    """Check this server; exit 1 when a finding is red."""
    findings = {"own": _findings}[what](config_file)
    texts = [Catalogue.load().text(current(), f"finding.{f.key}", **f.values) for f in findings]
    if as_json:
        document(
            {
                "findings": [
                    {"check": f.check, "severity": f.severity.value, "key": f.key, "values": f.values,
                     "evidence": f.evidence, "text": t}
                    for f, t in zip(findings, texts, strict=True)
                ]
            }
        )  # fmt: skip
    else:
        columns = ["", say("label.check"), say("label.finding")]
        rows = [
            (say(f"severity.{f.severity.value}"), say(f"checked.{f.check}"), t)
            for f, t in zip(findings, texts, strict=True)
        ]
        table(columns, rows)
    return 1 if any(f.severity is Severity.RED for f in findings) else 0


def _findings(config_file: str | None) -> list[Finding]:
    try:
        path = find(config_file, os.environ)
        config = examined(path)
    except ConfigError as e:
        # What is wrong with the files that it names does not keep us from looking at the rest.
        readable = e.rest if e.rest is not None and e.only_files else None
        return [_configuration(e.source, e.mistakes), *(_server(readable) if readable else ())]
    return [_configuration(str(path), ()), *_server(config)]


def _configuration(source: str, mistakes: Sequence[Mistake]) -> Finding:
    places = [(f"{m.file}: {m.where}" if m.file else m.where, m) for m in mistakes]
    detail = "; ".join(f"{place}: {say_told(m.what, current())}" for place, m in places)
    severity, key = (Severity.RED, "config_bad") if mistakes else (Severity.GREEN, "config_ok")
    values = {"file": source, "detail": detail}
    return Finding(check="configuration", severity=severity, key=key, values=values)


def _server(config: Config) -> list[Finding]:
    state, now = config.server.state, time.time()
    running, pid, closed = _running(config)
    key = "running" if running else "not_running"
    found = [
        Finding(
            check="server",
            severity=Severity.GREEN if running else Severity.YELLOW,
            key=key,
            values={"pid": pid},
        )
    ]
    if os.geteuid() == 0 and not config.server.user and running:
        found.append(Finding(check="server", severity=Severity.YELLOW, key="runs_as_root"))
    listen = config.listen
    places = [
        *(Place(s, "smtp") for s in listen.smtp), *(Place(s, "submission") for s in listen.submission),
        *(Place(s, "submissions", tls=True) for s in listen.submissions), *(Place(s, "lmtp") for s in listen.lmtp),
        *(Place(s, "http", banner=False) for s in listen.http), *(Place(s, "https", banner=False, tls=True) for s in listen.https),
        *(Place(s, "admin", banner=False) for s in listen.admin),
    ]  # fmt: skip
    found += ports(places, running=running)
    shown, *further = settings.server_tls(config).certificates
    own, renewal = _made_here(config), _renewal(config)
    found += certificate(
        shown.certificate,
        shown.key,
        config.server.hostname,
        own=own,
        now=now,
        playground=config.server.playground,
    )
    found += renewal
    for files in further:  # for whatever names they have
        found += certificate(files.certificate, files.key, None, own=False, now=now)
    found += asyncio.run(_resolver(config))
    found += dnssec(asyncio.run(tlslook.validation(config)))
    found += _lost(config)
    found += open_roads(closed) if running and any(road.fallback for road in config.roads) else []
    found += disk(state, config.limits.disk_free)
    secret = sorted((state / "keys").glob("[!.]*"))
    private = [files.key for files in (shown, *further)]
    found += permissions(state, [*private, state / "accounts.db", *secret])
    found += clock(reading.newest(config), now)
    return found


def _made_here(config: Config) -> bool:
    """Whether the certificate is one of our own authority."""
    if config.tls.certificate is not None:
        return False
    try:
        facts = CertificateFolder(settings.layout(config)).facts()
    except (OSError, ValueError):  # what is wrong with it is found in a moment
        return True
    return facts is None or facts.self_made


def _renewal(config: Config) -> list[Finding]:
    """Tell of an authority that gave us nothing."""
    try:
        state = CertificateFolder(settings.layout(config)).state()
    except (OSError, ValueError):
        return []
    if config.tls.acme is None or not state.failures or state.why is None:
        return []
    values = {"count": str(state.failures), "detail": say_told(unpack(state.why), current())}
    return [
        Finding(check="certificate", severity=Severity.YELLOW, key="certificate_renewal_fails", values=values)
    ]


def _lost(config: Config) -> list[Finding]:
    try:
        return kept(asyncio.run(tlslook.lost(config)))
    except control.ControlError as e:
        values = {"detail": say_told(of_error(e), current())}
        return [Finding(check="tls", severity=Severity.GREY, key="tls_untested", values=values)]


def _running(config: Config) -> tuple[bool, str, list[dict[str, str]]]:
    try:
        status = control.call(config.server.state / settings.CONTROL_SOCKET, "status")
    except control.ControlError as e:
        print(f"kurir: {say_told(of_error(e), current())}", file=sys.stderr)
        return False, "", []
    closed = [
        {
            "road": road["road"],
            "time": when(road["since"]),
            "cause": Catalogue.load().label(Cause(road["cause"] or "unknown"), current()),
            "words": road["words"],
        }
        for road in status["roads"]
        if road["health"] != "sound"
    ]
    return True, str(status["pid"]), closed


async def _resolver(config: Config) -> list[Finding]:
    resolver = CachingResolver(settings.resolver(config), clock=SystemClock().monotonic)
    described = ", ".join(f"{s.host}:{s.port}" for s in resolver.servers)
    return await resolvers(resolver, described)
