"""Wrong usage, told in the current language: what click would say in English only."""

import click

from .words import say


def show_usage_error(error: click.ClickException) -> None:
    """Print on standard error what was wrong with a command line, and where the help is."""
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        click.echo(ctx.get_usage(), err=True)
        click.echo(say("usage.see_help", command=ctx.command_path), err=True)
    click.echo(f"kurir: {_words(error, ctx)}", err=True)


def _words(error: click.ClickException, ctx: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        close = " " + say("error.did_you_mean", name=error.possibilities[0]) if error.possibilities else ""
        return say("usage.no_option", name=error.option_name) + close
    if not isinstance(error, click.BadParameter) or error.param is None or ctx is None:
        return error.format_message()
    name = error.param.get_error_hint(ctx).strip("'")
    if isinstance(error, click.MissingParameter):
        return say("usage.missing", name=name)
    if isinstance(error.param.type, click.Choice):
        return say("usage.choice", name=name, choices=", ".join(map(str, error.param.type.choices)))
    if isinstance(error.param.type, click.types.IntParamType):
        return say("usage.number", name=name)
    return say("usage.bad", name=name, why=error.message)
