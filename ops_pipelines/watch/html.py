"""How documents in HTML are written: every value is redacted, cleaned and escaped; moments and sizes are told in words.

Templates name nothing that is not given, run no script and load nothing from elsewhere.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from ops_pipelines import __version__, text
from ops_pipelines.chronology import in_words
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.ledger.models import FAILED, RUNNING, SUCCEEDED
from ops_pipelines.proof import VERIFIED
from ops_pipelines.redact import redact
from ops_pipelines.watch.charts import Tone

_TONES: Mapping[str, Tone] = {
    "OK": "good",
    "WEAK": "warn",
    "STALE": "warn",
    "UNKNOWN": "warn",
    "inconclusive": "warn",
    "warn": "warn",
    VERIFIED: "good",
    SUCCEEDED: "good",
    FAILED: "bad",
    RUNNING: "none",
}


def tone(word: str | None) -> Tone:
    """The colour of a state, an outcome or a severity. Only a proof of everything has the plain good one."""
    if not word:
        return "none"
    return _TONES.get(word, "warn" if word.startswith((VERIFIED, "partly", "restored")) else "bad")


def document(template: str, now: datetime, found: Environment | None = None, **values: Any) -> str:
    """A document that needs nothing beside itself.

    Args:
        template: its name in `watch/templates`.
        now: the moment that it shows; ages are counted from it.
        found: where it is looked for instead.
        values: what the template names; one that it names and is not given is an error.
    """
    found = found or environment("ops_pipelines.watch")
    return found.get_template(template).render(now=now, version=__version__, **values)


@cache
def environment(package: str, *, escaped: bool = True) -> Environment:
    """Where the templates of a room are found, and what they may use.

    Args:
        escaped: it writes HTML; else the values of a template are put into its text as they are.
        package: has a folder `templates`, beside whose files are those of `watch`; `now` must be among the values that
            templates are given.
    """
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("ops_pipelines.watch")]),
        autoescape=escaped,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        ago=_ago,
        moment=lambda at: f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "never",
        iso=lambda at: at.isoformat(timespec="seconds") if at is not None else "",
        size=human_size,
        span=human_duration,
        seconds=seconds,
        share=lambda value: f"{value:.1%}" if value < 1 else "100%",
        number=lambda value: f"{value:,}",
        tone=tone,
    )
    return found


def seconds(value: float) -> str:
    """A number of seconds in words."""
    return human_duration(timedelta(seconds=value))


def _shown(value: Any) -> Any:
    # Whatever ends up in a document passes here, before it is escaped.
    return text.lines(redact(value)) if type(value) is str else value


@pass_context
def _ago(context: Context, at: datetime | None) -> str:
    return in_words(at, context["now"]) if at is not None else "never"
