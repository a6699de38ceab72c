"""Many at once: `python -m tests.faults.crowd OPS_YAML VERB:SOURCE …` does each in a process of its own.

All begin at the same moment. Each one's end is a line of JSON: what it was, how it ended, what it said. An error of
ours is an end like any other; a traceback is told as one.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from ops_pipelines.backup.prune import prune
from ops_pipelines.backup.take import take_backup
from ops_pipelines.config.load import load_config
from ops_pipelines.engines.sqlite.engine import SQLiteEngine
from ops_pipelines.errors import OpsError
from ops_pipelines.healing import bring
from ops_pipelines.recovery.verify import verify
from ops_pipelines.watch.alerts.watch import watch_once
from ops_pipelines.watch.health import all_health
from ops_pipelines.workspace import Workspace, open_workspace


def _backup(workspace: Workspace, source: str) -> str:
    return take_backup(workspace, source).id


def _copy(workspace: Workspace, source: str) -> str:
    done = bring(workspace, source, "nas")
    if failed := [each for each in done if not each.ok]:
        raise failed[0].error or OpsError(f"{failed[0].id}: {failed[0].done}")
    return ",".join(each.id for each in done if each.done == "copied")


def _verify(workspace: Workspace, source: str) -> str:
    newest = workspace.catalogue(source).newest
    if newest is None:
        return "nothing yet"
    verdict = verify(workspace, newest)
    return f"{verdict.outcome} {verdict.reason}"


def _prune(workspace: Workspace, source: str) -> str:
    (done,) = prune(workspace, [source], apply=True)
    return ",".join(each for store in done.stores if store.store == "local" for each in store.deleted)


def _look(workspace: Workspace, source: str) -> str:
    return ",".join(each.state for each in all_health(workspace))


def _alerts(workspace: Workspace, source: str) -> str:
    return str(watch_once(workspace))


def _key(workspace: Workspace, source: str) -> str:
    return workspace.signing.rotate(workspace.clock.now()).verifier.name


VERBS: Mapping[str, Callable[[Workspace, str], str]] = {
    "backup": _backup, "copy": _copy, "verify": _verify, "prune": _prune, "look": _look, "alerts": _alerts,
    "key": _key,
}  # fmt: skip


def main() -> int:
    """Start them all, wait for them all."""
    path, *works = sys.argv[1:]
    assert SQLiteEngine  # imported now, so that they begin together
    held, told = os.pipe(), os.pipe()
    for work in works:
        if os.fork() == 0:
            os.close(held[1])
            os.read(held[0], 1)  # until the parent lets go
            os.write(told[1], _end(Path(path), work))
            os._exit(0)
    os.close(held[0])
    os.close(told[1])
    os.close(held[1])
    with os.fdopen(told[0]) as ends:
        sys.stdout.write(ends.read())
    return 0


def _end(config: Path, work: str) -> bytes:
    """A process's work, and how it ended, in one short line: a pipe takes that in one piece."""
    verb, _, source = work.partition(":")
    try:
        workspace = open_workspace(load_config(config, environ={}))
        how, said = "done", VERBS[verb](workspace, source)
    except OpsError as error:
        how, said = type(error).__name__, str(error)
    except BaseException:
        how, said = "traceback", traceback.format_exc()
    return (json.dumps({"verb": verb, "source": source, "how": how, "said": said[-2000:]}) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
