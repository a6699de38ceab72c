"""The pages of a bundle: one of HTML for the auditor, which needs nothing else, and one that says how to check it."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from jinja2 import Environment

from ops_pipelines import text
from ops_pipelines.evidence import dsse
from ops_pipelines.evidence.facts import KINDS, PREDICATES, WELL
from ops_pipelines.evidence.index import Listed
from ops_pipelines.evidence.summary import Summary
from ops_pipelines.language.said import said
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.vault.signing.minisign import PublicKey
from ops_pipelines.watch.html import document, environment


def page(summary: Summary, statements: Sequence[Listed], key: PublicKey, spoken: Language = ENGLISH) -> str:
    """The page as HTML, in a language: in light and dark, and on paper.

    Args:
        statements: as the index lists them; those that did not end well are on the page.
        key: that signs the bundle.
    """
    return document(
        "evidence.html",
        summary.made_at,
        _environment(spoken),
        summary=summary,
        bad=[each for each in statements if each.outcome not in WELL],
        kinds=[kind for kind in KINDS if kind in summary.counts],
        key=dsse.key_id(key),
        number=key.name,
    )


def readme(summary: Summary, key: PublicKey, spoken: Language = ENGLISH) -> str:
    """How to check the bundle, with `ops` and without anything of ours, in Markdown and in a language."""
    written = document(
        "README.md",
        summary.made_at,
        environment("ops_pipelines.evidence", escaped=False, spoken=spoken),
        summary=summary,
        made=_moment(summary.made_at),
        sources=text.markdown(", ".join(summary.sources)) if summary.sources is not None else said("all of them"),
        type=PREDICATES["index"],
        key=dsse.key_id(key),
        number=key.name,
    )
    return f"{written}\n"


@cache
def _environment(spoken: Language) -> Environment:
    """Times to the second, and nothing rounded up: an auditor counts."""
    found = environment("ops_pipelines.evidence", spoken=spoken)
    found.filters.update(
        exact=_moment,
        lasting=lambda seconds: spoken.seconds(seconds) if seconds is not None else "–",
        portion=lambda share: spoken.share(share, 2) if share is not None else "–",
    )
    return found


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else "–"
