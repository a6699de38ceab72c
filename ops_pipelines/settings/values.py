"""Small value types of `ops.yaml`: durations such as `24h`, names, cron lines."""

import re
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyrage
from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZE = r"^(\d+(?:\.\d+)?)\s*([KkMGT]?)(i?)B?$"
_LONGEST = timedelta(days=36525)
"""A century: with what is longer, moments end that a date can name."""
_DURATION = r"^(\d+(?:\.\d+)?)\s*([smhdw])$"


def parse_duration(value: Any) -> Any:
    """`24h`, `30m`, `90s`, `35d` or `2w` as a timedelta; anything that is not text passes through."""
    if not isinstance(value, str):
        if isinstance(value, (int, float)):
            raise ValueError("a duration needs a unit, such as 24h, 30m or 35d")
        return value
    match = re.match(_DURATION, value.strip())
    if match is None:
        raise ValueError(f"a duration such as 24h, 30m or 35d, not {value!r}")
    try:
        length = timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise ValueError(f"a duration of at most {_LONGEST.days}d, not {value!r}")
    return length


def parse_size(value: Any) -> Any:
    """`10GiB`, `500 MB` or `0` as bytes; anything that is not text passes through."""
    if not isinstance(value, str):
        return value
    match = re.match(_SIZE, value.strip())
    if match is None:
        raise ValueError(f"a size such as 10GiB or 500MB, not {value!r}")
    power = " KMGT".index(match[2].upper() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def sqlite_file(value: Any) -> Any:
    """A path, or the path in an address as frameworks write it: `sqlite:///relative`, `sqlite:////srv/app.db`."""
    if not isinstance(value, str):
        return value
    text = value.strip().strip("'\"")
    match = re.match(r"(?i)(?:jdbc:)?(?:(?:sqlite3?|spatialite)(?:\+\w+)?|file):(//)?(.*)\Z", text)
    if match is None:
        return value
    path = unquote(match[2].partition("?")[0])
    if match[1] and not text.lower().startswith("file:"):
        path = path.removeprefix("/")  # what follows the empty host: relative, unless it begins with another
    if path in ("", ":memory:"):
        raise ValueError("the path of a file: a database in memory cannot be backed up")
    return path


def format_duration(value: timedelta) -> str:
    """The shortest exact spelling: 90 minutes is `90m`, 24 hours is `24h`."""
    seconds = int(value.total_seconds())
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def recipient(value: str) -> str:
    """A public key that can be encrypted for. Raises ValueError for a placeholder, or one that was cut off."""
    parser = pyrage.ssh.Recipient if value.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        parser.from_str(value)
    except pyrage.RecipientError:
        raise ValueError(f"a public key, as age-keygen prints it, not {value[:20]!r}") from None
    return value


def none_if_off(value: Any) -> Any:
    """`off` and `no`, which YAML reads as false, as None: what would run by itself does not."""
    return None if value is False or value in ("off", "no", "false") else value


def may_be_off(schema: dict[str, Any]) -> None:
    """Say so in the JSON Schema, for a field that takes `none_if_off`."""
    schema["anyOf"].append({"enum": [False, "off"]})


def _cron(value: str) -> str:
    try:
        CronSim(value, datetime(2026, 1, 1, tzinfo=timezone.utc))
    except CronSimError as error:
        raise ValueError(f"a cron line of five fields ({error})") from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"an IANA time zone, not {value!r}") from None
    return value


def _some_time(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be longer than 0s")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION, "examples": ["24h", "30m", "35d"]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SIZE}]}),
    Field(ge=0),
]
Span = Annotated[Duration, AfterValidator(_some_time)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron), Field(examples=["0 2,8,14,20 * * *"])]
Name = Annotated[str, Field(pattern=NAME_PATTERN, examples=["crm"])]
