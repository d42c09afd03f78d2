"""Failures that are told in words; anything else is a bug and keeps its traceback."""

import click

from kurir.app.operating.control import ControlError
from kurir.config import ConfigError
from kurir.model.told import of_error
from kurir.queue import StoreError
from kurir.trace import say_told

from .output import Failure, document, show_config_error
from .words import current


def show(error: Exception, *, as_json: bool = False) -> bool:
    """Print what went wrong on standard error, and with `as_json` as the one document on standard output too.

    Returns False, and prints nothing, for an error that nobody foresaw.
    """
    if isinstance(error, ConfigError):
        words = str(error)
        show_config_error(error)
    elif isinstance(error, Failure | ControlError | StoreError):
        words = say_told(of_error(error), current())
        click.echo(f"kurir: {words}", err=True)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        words = f"{where}{error.strerror or error}"
        click.echo(f"kurir: {words}", err=True)
    else:
        return False
    if as_json:
        document({"error": words})
    return True
