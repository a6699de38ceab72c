"""The page about Prometheus' alert rules, from the rule files in `deploy/monitoring/rules`."""

import re
from pathlib import Path
from typing import Any

import yaml

from tools.reference.markdown import code, page, table

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules"
_TOLD = """
These see what ops_pipelines cannot see itself: that it is silent. The rest says a second way what
[its own rules](alerts.md) say. `deploy/monitoring/rules/ops_test.yml` proves each one firing and not firing.
"""


def prometheus_page() -> str:
    """Every rule of `ops.yml`, by group."""
    return page("Prometheus rules", _TOLD, *(_group(group) for group in _groups("ops.yml")))


def _groups(name: str) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((RULES / name).read_text(encoding="utf-8"))["groups"]
    return groups


def _group(group: dict[str, Any]) -> str:
    rows = [
        (
            code(rule["alert"]),
            rule["labels"]["severity"],
            code(" ".join(str(rule["expr"]).split())),
            str(rule.get("for", "")),
            _readable(rule["annotations"]["summary"]),
            code(_readable(rule["annotations"]["next"])) if "next" in rule["annotations"] else "",
        )
        for rule in group["rules"]
        if "alert" in rule
    ]
    head = ("alert", "severity", "expression", "for", "says", "first command")
    return f"## {code(group['name'])}\n\n{table(head, rows)}" if rows else ""


def _readable(template: str) -> str:
    """Prometheus' placeholders as words: `{{ $labels.source }}` is SOURCE."""
    named = re.sub(r"{{\s*\$labels\.(\w+)\s*}}", lambda found: found[1].upper(), template)
    return re.sub(r"{{\s*\$value[^}]*}}", "…", named)
