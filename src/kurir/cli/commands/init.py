"""``kurir init``: a new server in a new folder."""

from pathlib import Path

import click

from kurir.app.wiring.setup import SetupError, make
from kurir.cli.help import Command, option
from kurir.cli.output import Failure, document
from kurir.cli.words import say
from kurir.config.template import Choices, ports
from kurir.model.told import of_error


@click.command(cls=Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@option("--domain", required=True, metavar="D", help="opt.init_domain")
@option("--playground", is_flag=True, help="opt.init_playground")
@option("--port-offset", type=int, default=None, metavar="N", help="opt.init_port_offset")
@option("--smarthost", metavar="URL", default=None, help="opt.init_smarthost")
@option("--trust", metavar="CIDR", multiple=True, help="opt.init_trust")
@option("--user", metavar="NAME", default="", help="opt.init_user")
@option("--json", "as_json", is_flag=True, help="opt.json")
@option("--lang", type=click.Choice(["en", "id"]), expose_value=False, help="opt.lang")
def command(
    folder: Path,
    domain: str,
    playground: bool,
    port_offset: int | None,
    smarthost: str | None,
    trust: tuple[str, ...],
    user: str,
    as_json: bool,
) -> int:
    """Write the configuration, keys and folders."""
    offset = port_offset if port_offset is not None else 20000 if playground else 0
    choices = Choices(
        domain=domain, playground=playground, port_offset=offset, smarthost=smarthost, trust=trust, user=user
    )
    try:
        file = make(folder, choices)
    except SetupError as e:
        raise Failure(of_error(e)) from None
    if as_json:
        document({"config": str(file), "domain": domain, "playground": playground, "ports": ports(offset)})
        return 0
    click.echo(say("init.made", file=file))
    click.echo(say("init.next", file=file, domain=domain))
    if not playground:
        click.echo(say("init.real", domain=domain))
    return 0
