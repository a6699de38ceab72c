"""The house rules that a machine can keep: imports run downward, Dagster stays upstairs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ops_pipelines
from ops_pipelines.engines.registry import KINDS
from ops_pipelines.vault.stores.registry import KINDS as STORES

PACKAGE = Path(ops_pipelines.__file__).parent
# From the ground up; rooms on one floor do not know each other.
FLOORS = (
    {"__init__", "clock", "private", "redact", "repository", "stopping", "streams", "text", "py"},
    {"durable"},
    {"chronology", "errors", "limits", "logs", "personal", "repeats"},
    {"extras", "language"},
    {"lease", "process", "proof"},
    {"sandbox"},
    {"settings"},
    {"engines", "vault", "ledger"},
    {"compat"},
    {"config"},
    {"naming", "scratch", "outages", "lent", "outside", "known", "by_hand", "starting", "home", "queues"},
    {"places"},
    {"locks"},
    {"workspace"},
    {"sweeping"},
    {"numbering"},
    {"backup", "recovery", "probes", "setup", "upgrading"},
    {"healing"},
    {"watch", "plan", "operate"},
    {"drill"},
    {"doctor", "evidence"},
    {"orchestration", "web"},
    {"cli", "components", "definitions"},
    {"__main__"},
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
        if room == "__init__":
            continue  # the public names are looked up when they are asked for: only a type checker imports them there
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
                called.rpartition(".")[2] in ("say", "warn") and isinstance(node.args[0], ast.JoinedStr)
            ):
                loose.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert loose == []


ROOMS_OF_KINDS = ("engines", "vault/stores")


def names_kinds(node: ast.AST) -> bool:
    """Whether something is the name of a kind, or a collection that has one in it."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(map(names_kinds, node.elts))
    return isinstance(node, ast.Constant) and node.value in {*KINDS, "s3", "directory"}


def asks_for_a_kind(node: ast.AST) -> bool:
    """`kind == "mysql"`, `isinstance(store, S3Store)`, a table by kind."""
    if isinstance(node, ast.Compare):
        sides = (node.left, *node.comparators)
        return any(map(names_kinds, sides)) and any("kind" in ast.unparse(side) for side in sides)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
        known = {each.settings.__name__ for each in KINDS.values()} | {each.__name__ for each in STORES}
        asked = {each.id for each in ast.walk(node.args[1]) if isinstance(each, ast.Name)}
        return bool(asked & {*known, "DirectoryStore", "S3Store"})
    keys = {key.value for key in node.keys if isinstance(key, ast.Constant)} if isinstance(node, ast.Dict) else set()
    if {"s3", "web", "sentry"} <= keys:
        return False  # what pip calls its extras
    return len(keys & KINDS.keys()) > 1 or {"s3", "directory"} <= keys


def test_what_is_particular_to_a_kind_stays_in_its_room() -> None:
    """`Kind`, `Source`, `StoreSettings` and `Store` have an answer for whoever wants to know more than a name."""
    leaks = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith(ROOMS_OF_KINDS)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.expr) and asks_for_a_kind(node)
    ]
    assert leaks == []


def test_an_engine_is_known_by_its_room_and_the_registry_alone() -> None:
    known = []
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        for name in imports(path):
            kind = name.removeprefix("ops_pipelines.engines.").split(".")[0]
            if name.startswith("ops_pipelines.engines.") and kind in KINDS and place != "engines/registry.py":
                known += [f"{place} imports {name}"] if not place.startswith(f"engines/{kind}/") else []
    assert known == []


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


FACES = {"cli", "web", "orchestration", "components", "definitions"}
GREAT_VERBS = {
    "sweeping": {"sweep"},
    "backup/take": {"take_backup", "_dump"},
    "backup/seal": {"seal"},
    "backup/arrivals": {"record_arrivals"},
    "backup/adopt": {"adopt", "look", "of_day"},
    "backup/copies": {"copy_to"},
    "backup/prune": {"prune", "_applied", "_retention"},
    "backup/sign": {"candidates", "sign", "_signed"},
    "recovery/choose": {"choose", "_catalogue"},
    "recovery/verify": {"verify", "_Proof.__init__"},
    "recovery/rotation": {"reprove"},
    "recovery/restore": {"restore_to"},
    "recovery/replace": {"replace_source", "_proved", "_reloaded"},
    "recovery/export": {"export"},
    "recovery/leftovers": {"remove"},
    "recovery/kit/kit": {"make_kit"},
    "recovery/kit/check": {"check_kit"},
    "recovery/kit/secrets": {"gather"},
    "healing": {"bring", "_Bringing.__init__"},
    "plan/ahead": {"look_ahead"},
    "watch/health": {"source_health", "all_health"},
    "watch/snapshots": {"look"},
    "watch/report": {"build_report", "build_page", "write_report", "write_to", "renew_report", "_write_all"},
    "watch/metrics": {"exposition"},
    "watch/alerts/watch": {"watch", "watch_once"},
    # What looks for one kind of trouble: `watch` calls all of them alike.
    "watch/alerts/rules": {"look_at_attempts", "look_at_probes", "look_at_standing", "look_at_drill"},
    "watch/alerts/configuration": {"look_at_configuration"},
    "watch/alerts/silence": {"look_at_daemon"},
    "watch/alerts/runs": {"look_at_runs"},
    "drill/run": {"run_drill"},
    "drill/clean": {"clean_machine"},
    "drill/watch": {"end_alerts", "_Alerts.of"},
    "evidence/assemble": {"assemble"},
    "doctor/shared": {"Shared.__init__"},
    "doctor/litter": {"sweep"},
}


def functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield inside + child.name, child
        within = f"{inside}{child.name}." if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else inside
        yield from functions(child, within)


def test_only_the_great_verbs_are_given_the_whole_workspace() -> None:
    """A function takes what it uses: a configuration, a clock, a store. Who adds one here needs nearly all of them."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if room_of(path) not in FACES:
            module = path.relative_to(PACKAGE).with_suffix("").as_posix()
            for name, function in functions(ast.parse(path.read_text("utf-8"))):
                taken = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
                if any(each.annotation and "Workspace" in ast.unparse(each.annotation) for each in taken):
                    found.setdefault(module, set()).add(name)
    assert found == GREAT_VERBS


def test_times_of_others_are_read_in_one_place() -> None:
    """Python 3.10 reads no `Z`; where the tests run on a newer one, nobody would notice."""
    reads = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "datetime.fromisoformat" in path.read_text(encoding="utf-8")
    }
    assert reads == {"clock.py", "recovery/enclosed/values.py"}, "the second reads what Python wrote"
