"""The configuration that was last good, for what must not stand still because somebody saves a half-written file.

Runs, sensors and the status page go on with it; commands that are typed refuse a broken file, since somebody is there
to read why. The copy lies below `base`; a run is told of it by its code server, in case the file says no base any more.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.clock import UTC
from ops_pipelines.config import document
from ops_pipelines.config.errors import ConfigError
from ops_pipelines.config.load import config_of, find_config, load_config
from ops_pipelines.config.models import Config

_TOLD = "OPS_LAST_GOOD"
_BASE = re.compile(r"^base:.*$", re.MULTILINE)


def load_or_last_good(path: Path | None = None, *, keep: bool = False) -> Config:
    """The configuration; that which was last good, where the file cannot be used just now.

    Args:
        path: as for `load_config`.
        keep: keep this one, if it is good: whoever runs backups decides what was.
    Raises:
        ConfigError: the file cannot be used, and no other one was ever good.
    """
    path = find_config(path)
    try:
        config = load_config(path)
    except ConfigError as error:
        before = _last_good(path)
        if before is None:
            raise error from None
        return before
    if keep:
        _remember(path, config.base)
    return config


def fault(config: Config) -> ConfigError | None:
    """What is wrong with the file that a configuration came from, at this moment."""
    if config.file is None:
        return None
    try:
        load_config(config.file)
    except ConfigError as error:
        return error
    return None


def used_instead(config: Config) -> str:
    """In words: what is used while the file is broken."""
    kept = _kept(config.base, config.file) if config.file is not None else None
    with suppress(OSError):
        if kept is not None:
            since = datetime.fromtimestamp(kept.stat().st_mtime, UTC)
            return f"runs use the configuration that was good at {since:%Y-%m-%d %H:%M} UTC"
    return "runs use the last good configuration"


def _kept(base: Path, path: Path) -> Path:
    return base / "last-good" / path.name


def _remember(path: Path, base: Path) -> None:
    """Keep a copy. A place that cannot be written keeps nothing: that the configuration is good matters more."""
    kept = _kept(base, path)
    with suppress(OSError):
        durable.write(kept, path.read_bytes())
    os.environ[_TOLD] = os.pathsep.join([str(path), str(kept)])


def _last_good(path: Path, environ: Mapping[str, str] = os.environ) -> Config | None:
    about, _, named = environ.get(_TOLD, "").partition(os.pathsep)
    named_path = [Path(named)] if about == str(path) else []
    for kept in (*named_path, *(_kept(base, path) for base in _bases(path, environ))):
        with suppress(OSError, UnicodeDecodeError, ConfigError):
            return config_of(kept.read_text(encoding="utf-8"), path, environ)
    return None


def _bases(path: Path, environ: Mapping[str, str]) -> list[Path]:
    """Where the broken file may keep its backups: as far as one can read it, and where it would by default."""
    found = [environ["OPS_BACKUP_BASE"]] if environ.get("OPS_BACKUP_BASE") else []
    with suppress(OSError):
        line = _BASE.search(path.read_text(encoding="utf-8", errors="replace"))
        values = document.parse(line[0], environ).values if line else None
        found += [values["base"]] if isinstance(values, dict) and isinstance(values.get("base"), str) else []
    return [path.parent / base for base in (*found, Config.model_fields["base"].default)]
