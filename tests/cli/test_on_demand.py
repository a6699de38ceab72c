"""What a command imports is what it needs: counted in modules, which a busy machine does not change."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from ops_pipelines.cli.main import VERBS, app

HEAVY = {"dagster", "sqlalchemy", "boto3", "rich", "structlog", "yaml", "pymongo", "psycopg"}


def imported(*words: str) -> set[str]:
    """What Python has loaded after a command."""
    program = (
        "import sys\nfrom ops_pipelines.cli.main import app\n"
        f"try:\n    app({list(words)!r})\nexcept SystemExit:\n    print('\\n' + ' '.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("words", [(), ("--help",), ("--version",)])
def test_help_loads_no_library_that_it_does_not_use(words: tuple[str, ...]) -> None:
    loaded = imported(*words)
    assert loaded & HEAVY == set()
    assert words or len(loaded) < 300, "Python's own and typer's"


@pytest.mark.parametrize("name", VERBS)
def test_no_command_needs_dagster_to_explain_itself(name: str) -> None:
    assert imported(name, "--help") & {"dagster", "boto3", "pymongo", "sentry_sdk", "structlog", "pygments"} == set()


def test_every_line_of_help_is_whole_and_every_verb_is_there() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output.splitlines()
    lines = shown[shown.index("Commands:") + 1 :][: len(VERBS)]
    assert [tuple(line.split(None, 1)) for line in lines] == [(name, verb.help) for name, verb in VERBS.items()]
    assert [command.name for command in typer.main.get_command(app).commands.values()] == list(VERBS)  # type: ignore[attr-defined]


def test_a_word_that_is_no_command_is_told_what_was_meant() -> None:
    done = CliRunner().invoke(app, ["statsu"])
    assert done.exit_code == 2 and "Did you mean 'status'" in done.output


def test_a_stop_while_a_command_is_imported_is_told() -> None:
    program = (
        "import os, signal, sys\nfrom ops_pipelines.cli import main\n"
        "class Stop:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'ops_pipelines.cli.commands.status':\n"
        "            sys.meta_path.remove(self); os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Stop())\nsys.argv = ['ops', 'status']\nmain.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 130 and done.stderr.startswith("✗ stopped") and "Traceback" not in done.stderr
