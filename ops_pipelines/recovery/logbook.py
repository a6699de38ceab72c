"""What a verification leaves for people and scripts: one log and one JSON file each, below `base/verify`."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from ops_pipelines import durable
from ops_pipelines.clock import human_duration
from ops_pipelines.recovery.differences import as_lines
from ops_pipelines.vault.verdict import Verdict


class Entry(Verdict):
    """A verdict, and what only this machine keeps of it.

    Attributes:
        differences: definitions that came back with another effect: the source's text and the restored one by name.
    """

    model_config = ConfigDict(frozen=True)

    differences: Mapping[str, tuple[str, str]] = {}


def write_log(directory: Path, verdict: Verdict, differences: Mapping[str, tuple[str, str]]) -> Path:
    """Write `<source>/verify-YYYYmmdd-HHMM.log` and `.json` (the verdict, versioned); returns the log.

    Both are for their owner alone: the differences in them are never part of the verdict that stores keep.

    Args:
        directory: where the logs of all sources live.
        differences: as in `Entry`.
    """
    parent = directory / verdict.source
    path = _unused(parent, f"verify-{verdict.started_at:%Y%m%d-%H%M}")
    entry = Entry(**dict(verdict), differences=differences)
    durable.write(path.with_suffix(".json"), (entry.model_dump_json(indent=1) + "\n").encode())
    durable.write(path, ("\n".join([*_lines(verdict), *_difference_lines(differences)]) + "\n").encode())
    return path


def last_entry(directory: Path, source: str, backup_id: str = "") -> Entry | None:
    """What the newest verification left that is still readable.

    Args:
        directory: where the logs of all sources live.
        backup_id: of this restore point; of any unless given.
    """
    found = []
    for path in (directory / source).glob("verify-*.json"):
        try:
            found.append(Entry.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue  # half-written when the machine died: an older one tells as much
    wanted = [entry for entry in found if backup_id in ("", entry.backup_id)]
    return max(wanted, key=lambda entry: entry.started_at, default=None)


def _difference_lines(differences: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    if differences:
        yield ""
        yield "Definitions that differ (- source, + restored):"
        yield from (f"  {line}" for line in as_lines(differences))


def _unused(parent: Path, stem: str) -> Path:
    """Two in the same minute keep both."""
    path, number = parent / f"{stem}.log", 2
    while path.exists():
        path, number = parent / f"{stem}-{number}.log", number + 1
    return path


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.started_at:%Y-%m-%d %H:%M:%S} UTC  {verdict.source} {verdict.backup_id} from {verdict.store}"
    yield f"{verdict.words.upper()}: {verdict.reason}"
    yield ""
    for check in verdict.checks:
        result = "passed" if check.passed else "LOOK" if check.attention else "FAILED"
        took = "" if check.seconds is None else f"  ({check.seconds:.3f} s)"
        yield f"  {result:<7} {check.name:<14} {check.detail}{took}"
    for gap in verdict.missing:
        yield f"  not compared: {gap}"
    for warning in verdict.warnings:
        yield f"  warning {warning}"
    yield ""
    for phase, seconds in verdict.seconds.items():
        yield f"  {seconds:>9.3f} s  {phase}"
    yield f"  {human_duration(verdict.finished_at - verdict.started_at)} altogether"
