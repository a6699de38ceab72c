"""What this machine says of itself."""

import os
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

_LOCALTIME, _TIMEZONE = Path("/etc/localtime"), Path("/etc/timezone")


def time_zone() -> str:
    """The IANA name of this machine's time zone; UTC where it does not tell."""
    names = [os.environ.get("TZ", "").lstrip(":")]
    with suppress(OSError):
        names.append(str(_LOCALTIME.readlink()).rpartition("zoneinfo/")[2])
    with suppress(OSError):
        names.append(_TIMEZONE.read_text(encoding="utf-8").strip())
    for name in filter(None, names):
        with suppress(KeyError, ValueError, OSError):
            ZoneInfo(name)
            return name
    return "UTC"
