"""``kurir audit``: the conservation law, proven or broken."""

import click

from kurir.app.wiring import settings
from kurir.cli.help import Command, common
from kurir.cli.output import configuration, document
from kurir.cli.words import current, say
from kurir.storage import AuditReport, NoDatabase, audit
from kurir.trace import Catalogue


@click.command(cls=Command)
@common
def command(config_file: str | None, as_json: bool) -> int:
    """Prove that nothing is lost."""
    _, config = configuration(config_file)
    try:
        report, begun = audit(settings.layout(config)), True
    except NoDatabase:
        report, begun = AuditReport(), False
    texts = [Catalogue.load().text(current(), f"audit.{p.key}", **p.values) for p in report.problems]
    if as_json:
        problems = [
            {"key": p.key, "values": p.values, "text": t} for p, t in zip(report.problems, texts, strict=True)
        ]
        document(
            {
                "balanced": report.balanced, "messages": report.messages, "recipients": report.recipients,
                "fates": report.fates, "waiting": report.waiting, "held": report.held,
                "open_notices": report.open_notices, "days": report.days, "problems": problems,
            }
        )  # fmt: skip
    elif not begun:
        click.echo(say("audit.nothing"))
    elif report.balanced:
        ended = sum(report.fates.values())
        still = report.waiting + report.held
        click.echo(
            say(
                "audit.ok", messages=report.messages, recipients=report.recipients, fates=ended, waiting=still
            )
        )
    else:
        click.echo(say("audit.bad", count=len(texts)))
        for text in texts:
            click.echo(f"  {text}")
    return 0 if report.balanced else 1
