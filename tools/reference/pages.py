"""Which pages there are."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.reference.commands import commands_page
from tools.reference.environment import environment_page
from tools.reference.formats import configuration_page, manifest_page
from tools.reference.metrics import metrics_page
from tools.reference.prometheus import prometheus_page
from tools.reference.statuses import statuses_page

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "ops-yaml.md": configuration_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "prometheus-rules.md": prometheus_page,
    "exit-statuses.md": statuses_page,
    "manifest.md": manifest_page,
    "environment.md": environment_page,
}
