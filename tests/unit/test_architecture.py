"""The house rules that a machine can keep: imports run downward, Dagster stays upstairs."""

import ast
import subprocess
import sys
from pathlib import Path

import ops_pipelines

PACKAGE = Path(ops_pipelines.__file__).parent
# From the ground up; rooms on one floor do not know each other.
FLOORS = (
    {"__init__", "clock", "durable", "redact", "repository", "streams", "text", "py"},
    {"chronology", "errors", "limits", "logs", "personal", "repeats"},
    {"lease", "process"},
    {"sandbox"},
    {"config"},
    {"engines", "vault", "ledger"},
    {"scratch", "outages", "outside", "known", "by_hand", "starting"},
    {"workspace"},
    {"numbering"},
    {"backup", "recovery", "probes", "setup"},
    {"healing"},
    {"watch", "plan"},
    {"drill"},
    {"doctor"},
    {"orchestration", "web"},
    {"cli", "definitions"},
)
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_imports_run_downward_and_neighbours_do_not_know_each_other() -> None:
    upward = []
    for path in PACKAGE.rglob("*.py"):
        room = room_of(path)
        for name in imports(path):
            parts = name.split(".")
            if parts[0] != "ops_pipelines" or len(parts) < 2:
                continue
            other = parts[1] if parts[1] in HEIGHT else "__init__"
            if other != room and HEIGHT[other] >= HEIGHT[room]:
                upward.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert upward == []


def test_what_a_command_prints_is_a_template_of_ours_filled_with_values_that_are_shown_as_they_are() -> None:
    """An f-string would let a table's name write markup; `Console.print` would let it do so as well."""
    loose = []
    for path in (PACKAGE / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or path.name == "output.py":
                continue
            called = ast.unparse(node.func)
            if called.endswith(("console.print", "errors.print")) or (
                called.rpartition(".")[2] in ("say", "complain") and isinstance(node.args[0], ast.JoinedStr)
            ):
                loose.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert loose == []


def test_only_orchestration_imports_dagster() -> None:
    outside = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if room_of(path) != "orchestration" and any(name.split(".")[0] == "dagster" for name in imports(path))
    ]
    assert outside == []


def test_commands_that_do_not_run_dagster_do_not_import_it() -> None:
    program = "import sys; import ops_pipelines.cli.main; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
