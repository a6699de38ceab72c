"""Environment names of old scripts that still override what stands in `ops.yaml`. `${VAR}` belongs to `document`.

* `OPS_BACKUP_BASE` overrides `base`.
* `RETENTION_DAYS` overrides `keep.daily`, wherever a `keep:` stands: of the defaults, a source, a store. Where there is
  none, nothing is ever deleted, and a variable that is left over from an old script does not change that.
* `OPS_DB_DUMP_STALE_MIN` and `OPS_DB_DUMP_FAIL_MIN` override `warn_after` and `rpo` of every database, in minutes;
  `OPS_SNAPSHOT_STALE_MIN` overrides `warn_after` of every set of folders.
* `OPS_VERIFY_OVERDUE_HOURS` overrides `verify.overdue_after`, `OPS_VERIFY_AUTO` (0 or 1) `verify.auto`.
* `BACKUP_DIR` is `legacy.folder` of the one database in the file, where it names none itself.
* `ALERT_SLACK_WEBHOOK` is a channel where the file has no `alerts:`.
* `SENTRY_DSN` is Sentry's DSN where the file names none.
* `OPS_LOG_FILE` and `OPS_LOG_FORMAT` override `logging.file` and `logging.format`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ops_pipelines.engines.registry import KINDS

Refuse = Callable[[str, str, str], None]
"""Is told of a variable that cannot be applied: its name, what is expected of it, and a line that is right."""

NAMES: Mapping[str, str] = {
    "OPS_BACKUP_BASE": "base",
    "RETENTION_DAYS": "keep.daily",
    "OPS_DB_DUMP_STALE_MIN": "warn_after",
    "OPS_DB_DUMP_FAIL_MIN": "rpo",
    "OPS_SNAPSHOT_STALE_MIN": "warn_after",
    "OPS_VERIFY_OVERDUE_HOURS": "verify.overdue_after",
    "OPS_VERIFY_AUTO": "verify.auto",
    "BACKUP_DIR": "legacy.folder",
}
"""Those that have a key of their own in `ops.yaml`, which is the better place, and that key."""


def with_old_names(values: Any, environ: Mapping[str, str], refuse: Refuse) -> Any:
    """The values of a file with the overrides applied.

    Args:
        refuse: is told what cannot be applied.
    """
    if not isinstance(values, dict):
        return values
    values = dict(values)
    if base := environ.get("OPS_BACKUP_BASE"):
        values["base"] = base
    if days := environ.get("RETENTION_DAYS"):
        if days.isascii() and days.isdigit() and int(days) > 0:
            values = _with_daily(values, int(days))
        else:
            expected = f"the environment variable must be a whole number of days above 0, not {days!r}"
            refuse("RETENTION_DAYS", expected, "export RETENTION_DAYS=14")
    values = _with_thresholds(values, environ, refuse)
    if folder := environ.get("BACKUP_DIR"):
        values = _with_legacy(values, folder)
    if environ.get("ALERT_SLACK_WEBHOOK"):
        values.setdefault("alerts", {"channels": {"slack": {"env": "ALERT_SLACK_WEBHOOK"}}})
    if environ.get("SENTRY_DSN") and isinstance(values.get("sentry", {}), dict):
        values["sentry"] = {"dsn": {"env": "SENTRY_DSN"}, **values.get("sentry", {})}
    given = {key: value for key in ("file", "format") if (value := environ.get(f"OPS_LOG_{key.upper()}"))}
    if given and isinstance(values.get("logging", {}), dict):
        values["logging"] = {**values.get("logging", {}), **given}
    return values


def _with_daily(values: dict[str, Any], days: int) -> dict[str, Any]:
    def changed(holder: Any) -> Any:
        if isinstance(holder, dict) and isinstance(holder.get("keep"), dict):
            return {**holder, "keep": {**holder["keep"], "daily": days}}
        return holder

    for section in ("sources", "stores"):
        if isinstance(named := values.get(section), dict):
            values[section] = {name: changed(holder) for name, holder in named.items()}
    return {**values, "defaults": changed(values["defaults"])} if "defaults" in values else values


# Variable, the key it overrides, the unit of its number, and the kinds of source it is about.
_THRESHOLDS = (
    ("OPS_DB_DUMP_STALE_MIN", ("warn_after",), "m", False),
    ("OPS_DB_DUMP_FAIL_MIN", ("rpo",), "m", False),
    ("OPS_SNAPSHOT_STALE_MIN", ("warn_after",), "m", True),
    ("OPS_VERIFY_OVERDUE_HOURS", ("verify", "overdue_after"), "h", None),
)


def _with_thresholds(values: dict[str, Any], environ: Mapping[str, str], refuse: Refuse) -> dict[str, Any]:
    sources = values.get("sources")
    if not isinstance(sources, dict):
        return values
    for variable, key, unit, of_folders in _THRESHOLDS:
        if not (number := environ.get(variable)):
            continue
        if not (number.isascii() and number.isdigit() and int(number) > 0):
            expected = f"the environment variable must be a whole number above 0, not {number!r}"
            refuse(variable, expected, f"export {variable}=1440")
            continue
        sources = {
            name: _with(source, key, f"{number}{unit}")
            if isinstance(source, dict) and of_folders in (None, _is_folders(source))
            else source
            for name, source in sources.items()
        }
    if (auto := environ.get("OPS_VERIFY_AUTO", "").lower()) in ("0", "1", "true", "false", "yes", "no"):
        wanted = auto in ("1", "true", "yes")
        sources = {
            name: _with(source, ("verify", "auto"), wanted) if isinstance(source, dict) else source
            for name, source in sources.items()
        }
    return {**values, "sources": sources}


def _with(source: dict[str, Any], key: tuple[str, ...], value: Any) -> dict[str, Any]:
    if len(key) == 1:
        return {**source, key[0]: value}
    inner = source.get(key[0])
    return {**source, key[0]: {**(inner if isinstance(inner, dict) else {}), key[1]: value}}


def _with_legacy(values: dict[str, Any], folder: str) -> dict[str, Any]:
    sources = values.get("sources")
    if not isinstance(sources, dict):
        return values
    databases = [name for name, source in sources.items() if isinstance(source, dict) and not _is_folders(source)]
    if len(databases) != 1 or "legacy" in sources[databases[0]]:
        return values
    source = {**sources[databases[0]], "legacy": {"folder": folder}}
    return {**values, "sources": {**sources, databases[0]: source}}


def _is_folders(source: Mapping[str, Any]) -> bool:
    return any(kind.step == "snapshot" for kind in KINDS.values() if kind.name == source.get("kind"))
