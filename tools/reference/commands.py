"""The page about the command line: what `--help` prints, for every command."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.testing import CliRunner

from ops_pipelines.cli.main import app
from tools.reference.markdown import page

_TOLD = """
What `--help` prints. Every command that reads `ops.yaml` takes it from `--config`, else from `$OPS_CONFIG`, else from
the nearest folder upwards that has one. [Exit statuses](exit-statuses.md) are the same everywhere: 0 fine, 1 attention,
2 broken, 3 refused for safety.
"""


def commands_page() -> str:
    """Every command, in the order in which `ops --help` lists them."""
    return page("Commands", _TOLD, *(_section(words) for words in every_command()))


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each command after `ops`: `restore`; `alerts list`; of `ops` itself none."""
    yield ()
    for name, command in _inner(typer.main.get_command(app)).items():
        inner = _inner(command)
        yield from ((name, each) for each in inner) if inner else ((name,),)


def named(words: Sequence[str]) -> Any:
    """The command of these words. Raises KeyError when there is none."""
    command: Any = typer.main.get_command(app)
    for word in words:
        command = _inner(command)[word]
    return command


def _inner(command: Any) -> Mapping[str, Any]:
    """What a group holds; typer's own copy of click is not public, so it has no type here."""
    return getattr(command, "commands", {})


def _section(words: tuple[str, ...]) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="ops", env={"COLUMNS": "100", "NO_COLOR": "1"})
    text = "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())
    return f"## {' '.join(('ops', *words))}\n\n```text\n{text}\n```"
