"""How a page of `ops serve` is written: as every document of ours, and with what all pages share."""

from datetime import datetime
from typing import Any

from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.watch.html import document, environment
from ops_pipelines.workspace import Workspace

REFRESH_S = 30


def render(
    workspace: Workspace, template: str, now: datetime, *, here: str = "", spoken: Language = ENGLISH, **values: Any
) -> str:
    """A page.

    Args:
        template: its name in `web/templates`.
        here: its entry in the menu.
        spoken: its language.
        now: the moment that it shows; ages are counted from it.
        values: what the template names; one that it names and is not given is an error.
    """
    dagster = (workspace.config.alerts.dagster_url or "").rstrip("/")
    found = environment("ops_pipelines.web", spoken=spoken)
    return document(template, now, found, here=here, refresh_s=REFRESH_S, dagster_url=dagster, **values)
