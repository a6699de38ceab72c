"""What a verification leaves for people and scripts: one log and one JSON file each, below `base/verify`."""

from collections.abc import Iterator
from pathlib import Path

from ops_pipelines.clock import human_duration
from ops_pipelines.vault.verdict import Verdict


def write_log(directory: Path, verdict: Verdict) -> Path:
    """Write `<source>/verify-YYYYmmdd-HHMM.log` and `.json` (the verdict, versioned); returns the log.

    Args:
        directory: where the logs of all sources live.
    """
    parent = directory / verdict.source
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _unused(parent, f"verify-{verdict.started_at:%Y%m%d-%H%M}")
    path.with_suffix(".json").write_text(verdict.model_dump_json(indent=1) + "\n", encoding="utf-8")
    path.write_text("\n".join(_lines(verdict)) + "\n", encoding="utf-8")
    return path


def _unused(parent: Path, stem: str) -> Path:
    """Two in the same minute keep both."""
    path, number = parent / f"{stem}.log", 2
    while path.exists():
        path, number = parent / f"{stem}-{number}.log", number + 1
    return path


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.started_at:%Y-%m-%d %H:%M:%S} UTC  {verdict.source} {verdict.backup_id} from {verdict.store}"
    yield f"{verdict.outcome.upper()}: {verdict.reason}"
    yield ""
    for check in verdict.checks:
        result = "passed" if check.passed else "LOOK" if check.attention else "FAILED"
        took = "" if check.seconds is None else f"  ({check.seconds:.3f} s)"
        yield f"  {result:<7} {check.name:<14} {check.detail}{took}"
    for warning in verdict.warnings:
        yield f"  warning {warning}"
    yield ""
    for phase, seconds in verdict.seconds.items():
        yield f"  {seconds:>9.3f} s  {phase}"
    yield f"  {human_duration(verdict.finished_at - verdict.started_at)} altogether"
