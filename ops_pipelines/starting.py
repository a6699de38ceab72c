"""How Dagster is started here, for the hints that say so: the command that a person can type."""

from pathlib import Path

from ops_pipelines import text
from ops_pipelines.config.load import DEFAULT_NAME, find_config

_UNIT = Path("/etc/systemd/system/ops-daemon.service")


def start_command(config: Path | None = None, *, unit: Path = _UNIT) -> str:
    """The command that starts Dagster, or starts it again.

    Args:
        config: the configuration that it starts with; by default the one that is found here.
    """
    if unit.exists():
        return "systemctl restart ops-daemon"
    found = find_config(config)
    if found == Path.cwd() / DEFAULT_NAME:
        return "ops up"
    return f"ops up --config {text.shell(str(found))}"
