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

from ops_pipelines import text
from ops_pipelines.cli.as_typed import as_typed, reading
from ops_pipelines.cli.encoding import is_unicode
from ops_pipelines.config.last_good import load_or_last_good
from ops_pipelines.config.load import find_config, load_config
from ops_pipelines.config.models import Config
from ops_pipelines.errors import OpsError, Stopped
from ops_pipelines.outside.errors import report
from ops_pipelines.redact import redact, redact_within
from ops_pipelines.vault.verdict import Verdict
from ops_pipelines.workspace import Workspace, open_workspace

FINE, ATTENTION, BROKEN, STOPPED = 0, 1, 2, 130

P = ParamSpec("P")
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The ops.yaml to use; default: $OPS_CONFIG, then the nearest one.")
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
        given = kwargs.get("config")
        with reading(given if isinstance(given, Path) else None):
            told(*args, **kwargs)

    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except OpsError as error:
            if kwargs.get("as_json"):
                print_json({"ok": False, **error.as_dict()})
            else:
                warn("[bold red]✗[/] {}", Markup(text.rich(str(error))))
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt as stop:
            stopped = stop if isinstance(stop, Stopped) else Stopped()
            if kwargs.get("as_json"):
                print_json({"ok": False, **stopped.as_dict()})
            else:
                print_stopped(stopped)
            raise typer.Exit(STOPPED) from None
        except Exception as error:
            report(error, phase="cli", command=command.__name__)
            raise
        raise typer.Exit(status)

    return wrapped


def print_stopped(stopped: Stopped) -> None:
    """Say that somebody stopped us, and what is safe."""
    warn("[bold red]✗[/] {}", Markup(text.rich(str(stopped))))


def open_config(path: Path | None) -> tuple[Config, Path]:
    """The configuration and the file it came from. Raises ConfigError."""
    found = find_config(path)
    return load_config(found), found


def open_work(path: Path | None) -> Workspace:
    """A workspace on the configuration. Raises ConfigError."""
    return open_workspace(open_config(path)[0])


def open_last_good(path: Path | None, *, keep: bool = False) -> Workspace:
    """The same; on what was last good, while the file cannot be used. Arguments and errors of `load_or_last_good`."""
    return open_workspace(load_or_last_good(path, keep=keep))


def print_json(document: object) -> None:
    """One document on standard output."""
    document = json.dumps(redact_within(document), indent=2, ensure_ascii=not is_unicode())
    write(text.json(document) + "\n")


def write(said: str) -> None:
    """Text for a machine, as it is."""
    sys.stdout.write(said)


class Markup(str):
    """Text of ours in Rich's markup. Whatever else is shown came from somewhere, and is shown as it is."""

    __slots__ = ()


def markup(template: str, *values: object) -> Markup:
    """A template of ours, in Rich's markup, filled with values that are shown as they are.

    Args:
        template: as for `str.format`, when there are values.
        values: a `Markup` stays one; lines after the first are set in, so that none looks like one of ours.
    """
    return Markup(template.format(*map(_shown, values)) if values else template)


def say(template: str, *values: object) -> None:
    """A line for people on standard output; see `markup`."""
    console.print(as_typed(markup(template, *values)))


def warn(template: str, *values: object) -> None:
    """A line for people on standard error; see `markup`."""
    errors.print(as_typed(markup(template, *values)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table; a pipe gets the same without colour. Cells are shown as they are, unless they are `Markup`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(as_typed(_shown(each)) for each in row))
    console.print(table)


def coloured(state: str) -> Markup:
    """A state in the colour of its urgency."""
    colours = {"OK": "green", "WEAK": "yellow", "STALE": "yellow", "warn": "yellow"}
    return markup(f"[{colours.get(state, 'red')}]{{}}[/]", state)


def proof(verdict: Verdict) -> Markup:
    """What a verdict is called, in its colour: green alone means that everything was compared."""
    colour = "green" if verdict.whole else "red" if verdict.outcome == "bad" else "yellow"
    return markup(f"[{colour}]{{}}[/]", verdict.words)


def mark(*, good: bool, otherwise: str = "[bold red]✗[/]") -> Markup:
    """A green tick, or what stands in its place."""
    return Markup("[green]✓[/]" if good else otherwise)


def _shown(value: object) -> str:
    return value if isinstance(value, Markup) else text.rich(redact(str(value))).replace("\n", "\n    ")
