"""Importing this counts, under `make coverage`, what runs in the sandbox of a proof; the package knows nothing of it.

The process in there writes to one directory and nowhere else: it leaves its figures there, and they are fetched from it
before it is removed. Commands that tests start with an environment of its own are counted as well.
"""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from coverage.config import CoverageConfig

from ops_pipelines.process import Running
from ops_pipelines.recovery.enclosed.engine import _EnclosedEngine

_CONFIG = "COVERAGE_PROCESS_CONFIG"
_MEASURED_HERE = os.environ[_CONFIG]
_ENDS_WITHIN_S = 20.0
_run = _EnclosedEngine._run


def _measured(
    self: _EnclosedEngine, directory: Path, worker: Sequence[str], environment: Mapping[str, str], stdin: int
) -> AbstractContextManager[Running]:
    config = CoverageConfig.deserialize(_MEASURED_HERE)
    kept, config.data_file = Path(config.data_file), str(directory / "measured")
    started = _run(self, directory, worker, {**environment, _CONFIG: config.serialize()}, stdin)
    return _fetched(started, directory, kept)


@contextmanager
def _fetched(starting: AbstractContextManager[Running], directory: Path, kept: Path) -> Iterator[Running]:
    """Let it end by itself, as it does when nobody asks any more: a process that is killed leaves no figures."""
    with starting as process:
        try:
            yield process
        finally:
            if not process.exited():
                select.select([process._exited], [], [], _ENDS_WITHIN_S)
    for file in directory.glob("measured.*"):
        shutil.move(file, kept.with_name(file.name.replace("measured", kept.name, 1)))


class _Measured(subprocess.Popen):  # type: ignore[type-arg]
    """A process that, when it is one of our own programs, knows that it is measured."""

    def __init__(self, args: Any, *more: Any, env: Mapping[str, str] | None = None, **options: Any) -> None:
        program = args if isinstance(args, (str, os.PathLike)) else args[0]
        ours = Path(os.fsdecode(program)).parent == Path(sys.executable).parent
        super().__init__(
            args, *more, env={**env, _CONFIG: _MEASURED_HERE} if ours and env is not None else env, **options
        )


_EnclosedEngine._run = _measured  # type: ignore[method-assign]
subprocess.Popen = _Measured  # type: ignore[misc]
