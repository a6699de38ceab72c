"""The `ops` command. Each verb is a file in `commands/`; this only lists them."""

import sys
from collections.abc import Callable

import typer

from ops_pipelines import __version__, stopping
from ops_pipelines.cli import encoding, output
from ops_pipelines.cli.commands.adopt import adopt_
from ops_pipelines.cli.commands.alerts import alerts
from ops_pipelines.cli.commands.backup import backup
from ops_pipelines.cli.commands.check import check
from ops_pipelines.cli.commands.copy import copy
from ops_pipelines.cli.commands.doctor import doctor
from ops_pipelines.cli.commands.drill import drill
from ops_pipelines.cli.commands.export import export_
from ops_pipelines.cli.commands.init import init
from ops_pipelines.cli.commands.key import key
from ops_pipelines.cli.commands.kit import kit
from ops_pipelines.cli.commands.leftovers import leftovers_
from ops_pipelines.cli.commands.list import list_
from ops_pipelines.cli.commands.plan import plan
from ops_pipelines.cli.commands.prune import prune_
from ops_pipelines.cli.commands.report import report_
from ops_pipelines.cli.commands.restore import restore
from ops_pipelines.cli.commands.schema import schema
from ops_pipelines.cli.commands.serve import serve
from ops_pipelines.cli.commands.sign import sign_
from ops_pipelines.cli.commands.status import status
from ops_pipelines.cli.commands.up import up
from ops_pipelines.cli.commands.upgrade import upgrade
from ops_pipelines.cli.commands.verify import verify
from ops_pipelines.errors import Stopped

app = typer.Typer(
    name="ops",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Verified backups: a backup counts only after it has been restored.",
    epilog="Exit status: 0 fine, 1 attention, 2 broken, 3 refused for safety.",
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "check": check,
    "schema": schema,
    "backup": backup,
    "verify": verify,
    "list": list_,
    "status": status,
    "report": report_,
    "restore": restore,
    "leftovers": leftovers_,
    "export": export_,
    "copy": copy,
    "adopt": adopt_,
    "plan": plan,
    "prune": prune_,
    "sign": sign_,
    "kit": kit,
    "drill": drill,
    "doctor": doctor,
    "serve": serve,
    "up": up,
    "upgrade": upgrade,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)
app.add_typer(alerts, name="alerts")
app.add_typer(key, name="key")


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"ops_pipelines {__version__}")
        raise typer.Exit


def main() -> None:
    """The console script."""
    try:
        stopping.settle()
        encoding.settle()
        app()
    except KeyboardInterrupt:  # before a command began, or when it had ended
        output.print_stopped(Stopped())
        sys.exit(output.STOPPED)
