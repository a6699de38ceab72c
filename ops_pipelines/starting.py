"""How Dagster is started here: the command that a person can type, on a server or in a project's folder."""

from pathlib import Path

from ops_pipelines import text
from ops_pipelines.config.load import find_config

_UNIT = Path("/etc/systemd/system/ops-daemon.service")


def start_command(*, unit: Path = _UNIT) -> str:
    """The command that starts Dagster, or starts it again, for the configuration that is in use."""
    folder = find_config().parent
    go = "" if folder == Path.cwd() else f"cd {text.shell(str(folder))} && "
    if unit.exists():
        return "systemctl restart ops-daemon"
    if "\nup:" in _text(folder / "Makefile"):
        return f"{go}make up"
    if (folder / "workspace.yaml").is_file():
        return f"{go}dagster dev -w workspace.yaml"
    return f"{go}dagster dev -m ops_pipelines.definitions"


def _text(path: Path) -> str:
    try:
        return f"\n{path.read_text(encoding='utf-8')}"
    except (OSError, UnicodeDecodeError):
        return ""
