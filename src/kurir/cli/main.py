"""``kurir``: the group of commands, loaded one by one, and the way every error is shown."""

import importlib
import sys
from collections.abc import Sequence

import click

from kurir import __version__

from .help import Group

# command -> module below commands/; the order is the order of ``kurir --help``.
COMMANDS = {
    "init": "init",
    "serve": "serve",
    "check": "check",
    "user": "user",
    "send": "send",
    "trace": "trace",
    "why": "why",
    "queue": "queue",
    "tls": "tls",
    "dmarc": "dmarc",
    "cert": "cert",
    "sandbox": "sandbox",
    "audit": "audit",
    "doctor": "doctor",
    "dns": "dns",
    "dkim": "dkim",
    "status": "status",
    "limits": "limits",
    "summary": "summary",
    "suppress": "suppress",
    "route": "route",
    "road": "road",
}


class Root(Group):
    """Imports the module of a command only when it is named, so that ``kurir --help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, or None where there is none of that name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(f"{__package__}.commands.{module}").command
        return command


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kurir")
def root() -> None:
    """Run the group."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 ok, 1 a finding or failure, 2 wrong usage.  No traceback reaches a user."""
    try:
        code = root.main(
            args=list(argv) if argv is not None else None, prog_name="kurir", standalone_mode=False
        )
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as e:
        from .usage import show_usage_error

        show_usage_error(e)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()
        code = 0
    except Exception as e:
        # Imported only now: a command that fails is rare, and ``--help`` must not pay for these rooms.
        from .failures import show

        if not show(e, as_json="--json" in (sys.argv[1:] if argv is None else argv)):
            raise
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
