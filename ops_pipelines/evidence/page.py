"""The pages of a bundle: one of HTML for the auditor, which needs nothing else, and one that says how to check it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ops_pipelines import text
from ops_pipelines.clock import human_duration
from ops_pipelines.evidence import dsse
from ops_pipelines.evidence.facts import KINDS, PREDICATES, WELL
from ops_pipelines.evidence.index import Listed
from ops_pipelines.evidence.summary import Summary
from ops_pipelines.redact import redact
from ops_pipelines.vault.signing.minisign import PublicKey


def page(summary: Summary, statements: Sequence[Listed], key: PublicKey) -> str:
    """The page as HTML: in light and dark, and on paper.

    Args:
        statements: as the index lists them; those that did not end well are on the page.
        key: that signs the bundle.
    """
    template = _environment(autoescape=True).get_template("evidence.html")
    return template.render(
        summary=summary,
        bad=[each for each in statements if each.outcome not in WELL],
        kinds=[kind for kind in KINDS if kind in summary.counts],
        key=dsse.key_id(key),
        number=key.name,
    )


def readme(summary: Summary, key: PublicKey) -> str:
    """How to check the bundle, with `ops` and without anything of ours, in Markdown."""
    template = _environment(autoescape=False).get_template("README.md")
    return template.render(
        summary=summary,
        made=_moment(summary.made_at),
        sources=text.markdown(", ".join(summary.sources)) if summary.sources is not None else "all of them",
        type=PREDICATES["index"],
        key=dsse.key_id(key),
        number=key.name,
    )


def _environment(*, autoescape: bool) -> Environment:
    def shown(value: Any) -> Any:
        # Whatever ends up on the page passes here, before it is escaped.
        return text.lines(redact(value)) if type(value) is str else value

    environment = Environment(
        loader=PackageLoader("ops_pipelines.evidence"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(moment=_moment, seconds=_seconds, share=_share)
    return environment


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else "–"


def _seconds(seconds: float | None) -> str:
    return human_duration(timedelta(seconds=seconds)) if seconds is not None else "–"


def _share(share: float | None) -> str:
    return f"{share:.2%}" if share is not None else "–"
