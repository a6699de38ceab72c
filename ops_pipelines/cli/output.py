"""How commands speak: tables for people, JSON for machines, errors with the next command, exit statuses."""

import functools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ParamSpec

import typer
from rich.console import Console
from rich.table import Table

from ops_pipelines.config.load import find_config, load_config
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError
from ops_pipelines.outside.errors import report
from ops_pipelines.redact import redact
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace, open_workspace

FINE, ATTENTION, BROKEN = 0, 1, 2

P = ParamSpec("P")
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The ops.yaml to use; else $OPS_CONFIG, else the nearest one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

# A pipe has no width: rows stay whole for grep.
_WIDTH = None if sys.stdout.isatty() else 1000
console = Console(highlight=False, soft_wrap=True, width=_WIDTH)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def explained(command: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's return value into its exit status, and our errors into sentences."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except OpsError as error:
            if kwargs.get("as_json"):
                print_json({"ok": False, **error.as_dict()})
            else:
                errors.print(f"[bold red]✗[/] {escaped(str(error))}")
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt:
            errors.print("stopped; what was unfinished was thrown away")
            raise typer.Exit(130) from None
        except Exception as error:
            report(error, phase="cli", command=command.__name__)
            raise
        raise typer.Exit(status)

    return wrapped


def open_config(path: Path | None) -> tuple[Config, Path]:
    """The configuration and the file it came from. Raises ConfigError."""
    found = find_config(path)
    return load_config(found), found


def open_work(path: Path | None) -> Workspace:
    """A workspace on the configuration. Raises ConfigError."""
    return open_workspace(open_config(path)[0])


def print_json(document: object) -> None:
    """One document on standard output."""
    write(redact(json.dumps(document, indent=2, default=str, ensure_ascii=False)) + "\n")


def write(text: str) -> None:
    """Text for a machine, as it is."""
    sys.stdout.write(text)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table; a pipe gets the same without colour."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def coloured(state: str) -> str:
    """A state in the colour of its urgency."""
    colours = {"OK": "green", "WEAK": "yellow", "STALE": "yellow", "warn": "yellow"}
    return f"[{colours.get(state, 'red')}]{state}[/]"


def proof(verdict: Verdict) -> str:
    """What a verdict is called, in its colour: green alone means that everything was compared."""
    colour = "green" if verdict.whole else "red" if verdict.outcome == "bad" else "yellow"
    return f"[{colour}]{escaped(verdict.words)}[/]"


def say(text: str) -> None:
    """A line for people."""
    console.print(text)


def escaped(text: str) -> str:
    """Text that is shown as it is, brackets and all."""
    return text.replace("[", r"\[")
