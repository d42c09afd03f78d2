"""``kurir summary``: a day of one account, now or by mail each morning."""

from datetime import date, datetime, timedelta

import click

from kurir.app.operating import reading
from kurir.cli.acting import act
from kurir.cli.help import Command, common, option
from kurir.cli.output import Failure, configuration, document
from kurir.cli.words import current, say
from kurir.trace import day_json, day_text


@click.command(cls=Command)
@click.argument("account")
@option("--day", metavar="DATE", default=None, help="opt.day")
@option("--subscribe", is_flag=True, help="opt.subscribe")
@option("--unsubscribe", is_flag=True, help="opt.unsubscribe")
@common
def command(
    account: str, day: str | None, subscribe: bool, unsubscribe: bool, config_file: str | None, as_json: bool
) -> int:
    """Sum up a day of an account."""
    if subscribe or unsubscribe:
        if (subscribe and unsubscribe) or day:
            raise click.UsageError(say("error.subscribe_alone"))
        key = "summary.subscribed" if subscribe else "summary.unsubscribed"
        language = current() if subscribe else ""
        return act(config_file, as_json, "user.summary", key, name=account, language=language)
    _, config = configuration(config_file)
    start = _start(day)
    end = start + timedelta(days=1)
    summary = reading.day_of(config, account, start.timestamp(), end.timestamp(), f"{start:%Y-%m-%d}")
    if as_json:
        document(day_json(summary, current()))
    else:
        zone = start.tzinfo
        assert zone is not None
        click.echo(day_text(summary, current(), zone), nl=False)
    return 0


def _start(day: str | None) -> datetime:
    """Return when a day begins here; today without one."""
    try:
        wanted = date.fromisoformat(day) if day else datetime.now().astimezone().date()
    except ValueError:
        raise Failure(say("error.bad_day", text=day)) from None
    return datetime(wanted.year, wanted.month, wanted.day).astimezone()
