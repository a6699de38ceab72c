"""How a page of `ops serve` is written: as every document of ours, and with what all pages share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from ops_pipelines.language.speech import CODES, ENGLISH, NAMES, Code, Language
from ops_pipelines.watch.html import document, environment

REFRESH_S = 30
LANGUAGE = "language"
"""The parameter of an address by which a reader chooses his language."""


@dataclass(frozen=True)
class Visit:
    """Somebody who looks at a page.

    Attributes:
        asked: the parameters of the address.
        operator: who may start something, as incidents name him; None for who may only read.
        dagster_url: of the web UI where runs are seen, and started from here; None where there is none.
        may_sign_in: there is a password that makes him an operator.
        spoken: his language.
        address: the path of the page, or of another one where this one cannot be asked for again.
    """

    asked: Mapping[str, str] = field(default_factory=dict)
    operator: str | None = None
    dagster_url: str | None = None
    may_sign_in: bool = False
    spoken: Language = ENGLISH
    address: str = "/"

    @property
    def languages(self) -> Sequence[tuple[Code, str, str]]:
        """Each language: its code, what its speakers call it, and the address of this page in it."""
        return [(code, NAMES[code], f"{self.address}?{urlencode({**self.asked, LANGUAGE: code})}") for code in CODES]


def render(
    visit: Visit,
    template: str,
    now: datetime,
    *,
    here: str = "",
    refresh_s: int = REFRESH_S,
    **values: Any,
) -> str:
    """A page.

    Args:
        template: its name in `web/templates`.
        here: its entry in the menu.
        now: the moment that it shows; ages are counted from it.
        refresh_s: seconds after which it renews itself; 0 for never.
        values: what the template names; one that it names and is not given is an error.
    """
    shared: dict[str, Any] = {
        "here": here,
        "refresh_s": refresh_s,
        "asked": visit.asked,
        "languages": visit.languages,
        "operator": visit.operator,
        "may_sign_in": visit.may_sign_in,
        "dagster_url": visit.dagster_url or "",
    }
    return document(template, now, environment("ops_pipelines.web", spoken=visit.spoken), **shared, **values)
