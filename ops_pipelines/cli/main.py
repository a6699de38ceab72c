"""The `ops` command. Each verb is a file in `commands/`, which is imported when it is typed."""

import typer

from ops_pipelines import __version__, stopping
from ops_pipelines.cli import encoding
from ops_pipelines.cli.on_demand import group_of
from ops_pipelines.cli.stopped import a_stop_is_told
from ops_pipelines.cli.verbs import VERBS

app = typer.Typer(
    name="ops",
    cls=group_of(VERBS),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Verified backups: a backup counts only after it has been restored.",
    epilog="Exit status: 0 fine, 1 attention, 2 broken, 3 refused for safety.",
)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        typer.echo(f"ops_pipelines {__version__}")
        raise typer.Exit


def main() -> None:
    """The console script."""
    with a_stop_is_told():
        stopping.settle()
        encoding.settle()
        app()
