"""What commands do without Dagster is told to it afterwards: its web UI shows what happened, whoever did it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ops_pipelines.cli import output
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.home import find_home
from ops_pipelines.workspace import Workspace

if TYPE_CHECKING:
    from ops_pipelines.orchestration.recorded import Result

Results = Callable[[], "list[Result]"]
"""The assets that were made or renewed; asked at the end, because Dagster takes a second and a half to import."""


class Done:
    """What a command has done until now.

    Attributes:
        asked: what it was given, as the step of its job takes it; no secret.
        results: its assets.
        failure: why it failed although it came to its end; empty when it did not.
    """

    def __init__(self) -> None:
        self.asked: Mapping[str, object] = {}
        self.results: Results = list
        self.failure = ""


@contextmanager
def shown_in_dagster(workspace: Workspace, found: Path, job: str, source: str = "") -> Iterator[Done]:
    """The work of the block becomes a run of this job, if there is a Dagster here. It never fails for that.

    What the block prints stands there before Dagster is asked for anything: its storage may be slow, or away.

    Args:
        found: the path of `ops.yaml`.
        source: the one it is about; empty for several.
    """
    started, done = workspace.clock.now(), Done()
    try:
        yield done
    except SafetyRefusal:
        raise  # nothing was done
    except OpsError as error:
        done.failure = str(error)
        _record(workspace, found, job, source, done, started)
        raise
    _record(workspace, found, job, source, done, started)


def _record(workspace: Workspace, found: Path, job: str, source: str, done: Done, started: datetime) -> None:
    if find_home(found.parent) is None:
        return
    ended = workspace.clock.now()
    try:
        from ops_pipelines.orchestration.build import definitions_of  # noqa: PLC0415
        from ops_pipelines.orchestration.installation import Installation  # noqa: PLC0415
        from ops_pipelines.orchestration.instance import dagster_instance  # noqa: PLC0415
        from ops_pipelines.orchestration.recorded import Work, record  # noqa: PLC0415

        with dagster_instance(found.parent) as instance:
            defined = definitions_of(Installation(workspace)).resolve_job_def(job)
            record(instance, defined, Work(source, started, ended, done.failure, done.asked, done.results()))
    except Exception as error:  # what was done is done, whatever Dagster has
        why = error.what if isinstance(error, OpsError) else f"{type(error).__name__}: {error}"
        output.warn("[yellow]![/] Dagster's UI does not show this: {}", why.splitlines()[0])
