"""Wrong usage, told in the current language: what click would say in English only."""

import re

import click

from .words import say

# What click has only as a finished English sentence -> the key of our own.
_SENTENCES = (
    (re.compile(r"Got unexpected extra arguments? \((?P<words>.*)\)", re.DOTALL), "usage.extra"),
    (re.compile(r"Option '(?P<name>.*)' requires an argument\."), "usage.needs_value"),
    (re.compile(r"Option '(?P<name>.*)' does not take a value\."), "usage.no_value"),
    (re.compile(r"Missing command\."), "usage.no_verb"),
)


def show_usage_error(error: click.ClickException) -> None:
    """Print on standard error what was wrong with a command line, and where the help is."""
    ctx = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # nothing was said: the help is the answer
        click.echo(error.format_message(), err=True)
        return
    if ctx is not None:
        click.echo(ctx.get_usage(), err=True)
    path = (
        ctx.command_path if ctx is not None else "kurir"
    )  # click's parser does not always say which command
    click.echo(say("usage.see_help", command=path), err=True)
    click.echo(f"kurir: {_words(error, ctx)}", err=True)


def _words(error: click.ClickException, ctx: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption):
        close = " " + say("error.did_you_mean", name=error.possibilities[0]) if error.possibilities else ""
        return say("usage.no_option", name=error.option_name) + close
    if not isinstance(error, click.BadParameter) or error.param is None or ctx is None:
        return _sentence(error.format_message())
    name = error.param.get_error_hint(ctx).strip("'")
    if isinstance(error, click.MissingParameter):
        return say("usage.missing", name=name)
    if isinstance(error.param.type, click.Choice):
        return say("usage.choice", name=name, choices=", ".join(map(str, error.param.type.choices)))
    if isinstance(error.param.type, click.types.IntParamType):
        return say("usage.number", name=name)
    return say("usage.bad", name=name, why=error.message)


def _sentence(text: str) -> str:
    for pattern, key in _SENTENCES:
        m = pattern.fullmatch(text)
        if m:
            return say(key, **m.groupdict())
    return text
