"""Environment names of old scripts that still override what stands in `ops.yaml`. `${VAR}` belongs to `document`.

* `OPS_BACKUP_BASE` overrides `base`.
* `RETENTION_DAYS` overrides `keep.daily`, wherever a `keep:` stands: of the defaults, a source, a store. Where there is
  none, nothing is ever deleted, and a variable that is left over from an old script does not change that.
* `ALERT_SLACK_WEBHOOK` is a channel where the file has no `alerts:`.
* `OPS_LOG_FILE` and `OPS_LOG_FORMAT` override `logging.file` and `logging.format`.
"""

from collections.abc import Mapping
from typing import Any

from ops_pipelines.config.errors import Mistake


def with_old_names(values: Any, environ: Mapping[str, str], mistakes: list[Mistake]) -> Any:
    """The values of a file with the overrides applied.

    Args:
        mistakes: what cannot be applied is added to it.
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
            mistakes.append(Mistake(1, "RETENTION_DAYS", expected, "export RETENTION_DAYS=14"))
    if environ.get("ALERT_SLACK_WEBHOOK"):
        values.setdefault("alerts", {"channels": {"slack": {"env": "ALERT_SLACK_WEBHOOK"}}})
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
