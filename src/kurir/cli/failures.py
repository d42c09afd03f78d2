"""Failures that are told in words; anything else is a bug and keeps its traceback."""

import click

from kurir.app.control import ControlError
from kurir.config import ConfigError
from kurir.model.told import of_error
from kurir.queue import StoreError
from kurir.trace import say_told

from .output import Failure, show_config_error
from .words import current


def show(error: Exception) -> bool:
    """Print what went wrong on standard error; False for an error that nobody foresaw."""
    if isinstance(error, ConfigError):
        show_config_error(error)
    elif isinstance(error, Failure | ControlError | StoreError):
        click.echo(f"kurir: {say_told(of_error(error), current())}", err=True)
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"kurir: {where}{error.strerror or error}", err=True)
    else:
        return False
    return True
