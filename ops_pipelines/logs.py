"""Structured logs: one event a line, nouns and past verbs, one schema, nothing secret.

An event has `timestamp` (UTC), `level`, `event`, and where they are known `source`, `backup_id`, `run_id`, `request_id`
and `duration_s`; what else belongs to it follows. Where lines go is set up once a process, by whoever was started:
until then nobody hears anything, so that a command's own output stays its own.
"""

import fcntl
import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal, TextIO

from ops_pipelines import text
from ops_pipelines.redact import redact_within

Format = Literal["json", "human"]
Level = Literal["debug", "info", "warning", "error"]

_LEVELS: Mapping[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FIRST = ("timestamp", "level", "event", "source", "backup_id", "run_id", "request_id", "duration_s")
_OURS = logging.getLogger("ops_pipelines")
_OURS.addHandler(logging.NullHandler())
# Whose lines join ours, in our format; without our handler they do what they did before.
_JOINED = ("ops_pipelines", "uvicorn", "dagster")


def event(name: str, *, level: Level = "info", **values: Any) -> None:
    """Log that something happened.

    Args:
        name: a noun and a past verb: `dump_published`.
        values: what is known about it; None is left out.
    """
    known = {key: value for key, value in values.items() if value is not None}
    _OURS.log(_LEVELS[level], name, extra={"_values": known})


def set_up(*, file: Path | None = None, form: Format | None = None, level: Level = "info", keep_mib: int = 10) -> None:
    """Decide where events go, for this process. May be called again, to decide anew.

    Args:
        file: append to this file, which only we may read; standard error unless given.
        form: `human` on a terminal and `json` elsewhere, unless given.
        keep_mib: a file larger than this is put aside as `.1`, and `.1` to `.4` before it each one further.
    Raises:
        OSError: the file cannot be written.
    """
    handler: logging.Handler = _RotatedFile(file, keep_mib * 2**20) if file else logging.StreamHandler()
    terminal = file is None and sys.stderr.isatty()
    handler.setFormatter(_formatter(form or ("human" if terminal else "json"), coloured=terminal))
    for name in _JOINED:
        logger = logging.getLogger(name)
        for old in [each for each in logger.handlers if getattr(each, "is_ours", False)]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
        logger.setLevel(level.upper())
    handler.is_ours = True  # type: ignore[attr-defined]
    _OURS.propagate = False


def _formatter(form: Format, *, coloured: bool) -> logging.Formatter:
    import structlog  # noqa: PLC0415 - and rich's tracebacks with it: most commands log nothing

    last: Any = (
        structlog.processors.JSONRenderer(serializer=_as_json, ensure_ascii=False, default=str)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=coloured, sort_keys=False, exception_formatter=_plain)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_with_values],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redacted,
            _in_order,
            *([] if form == "json" else [_on_one_line]),
            last,
        ],
    )


def _plain(stream: TextIO, _error: Any) -> None:
    stream.write("")


def _with_values(_logger: Any, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What an event knows; of another library's line, which logger wrote it."""
    record: logging.LogRecord = values["_record"]
    if record.exc_info:
        values["exc_info"] = record.exc_info
    ours: Mapping[str, Any] | None = getattr(record, "_values", None)
    values.update(ours if ours is not None else {"logger": record.name})
    values["level"] = record.levelname.lower()
    return values


def _redacted(_logger: Any, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    hidden: MutableMapping[str, Any] = redact_within(values)
    return hidden


def _in_order(_logger: Any, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: values[key] for key in (*_FIRST, *(key for key in values if key not in _FIRST)) if key in values}


def _as_json(values: Any, **options: Any) -> str:
    return text.json(json.dumps(values, **options))


def _on_one_line(_logger: Any, _method: str, values: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """No value begins a line that reads as another event; a traceback has its lines, after its event."""
    return {
        key: (text.lines if key == "exception" else text.line)(value) if isinstance(value, str) else value
        for key, value in values.items()
    }


class _RotatedFile(logging.handlers.WatchedFileHandler):
    """A private file that several processes append to, each line whole; whoever finds it full puts it aside."""

    _KEPT = 4

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, encoding="utf-8")

    def _open(self) -> Any:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
            if self.stream is not None and os.fstat(self.stream.fileno()).st_size > self._most_bytes:
                self._put_aside()
        except OSError:
            self.handleError(record)  # its folder is gone, or the disk is full: no backup fails for a line in a log

    def _put_aside(self) -> None:
        """The lock is the full file's own: who gets it second finds that the name is another file's already."""
        assert self.stream is not None
        full = self.stream.fileno()
        fcntl.flock(full, fcntl.LOCK_EX)
        path = Path(self.baseFilename)
        if path.exists() and path.samefile(f"/proc/self/fd/{full}"):
            for number in range(self._KEPT - 1, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                if older.exists():
                    older.replace(path.with_name(f"{path.name}.{number + 1}"))
            path.replace(path.with_name(f"{path.name}.1"))
        self.reopenIfNeeded()
