"""How documents in HTML are written: every value is redacted, cleaned and escaped; moments and sizes are told in words.

Templates name nothing that is not given, run no script and load nothing from elsewhere.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from ops_pipelines import __version__, text
from ops_pipelines.language.said import Said
from ops_pipelines.language.speech import ENGLISH, Language
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


def document(
    template: str, now: datetime, found: Environment | None = None, *, spoken: Language = ENGLISH, **values: Any
) -> str:
    """A document that needs nothing beside itself.

    Args:
        template: its name in `watch/templates`.
        now: the moment that it shows; ages are counted from it.
        found: where it is looked for instead, in the language of that.
        spoken: its language.
        values: what the template names; one that it names and is not given is an error.
    """
    found = found or environment("ops_pipelines.watch", spoken=spoken)
    return found.get_template(template).render(now=now, version=__version__, **values)


@cache
def environment(package: str, *, escaped: bool = True, spoken: Language = ENGLISH) -> Environment:
    """Where the templates of a room are found, and what they may use.

    Args:
        escaped: it writes HTML; else the values of a template are put into its text as they are.
        package: has a folder `templates`, beside whose files are those of `watch`; `now` must be among the values that
            templates are given.
        spoken: the language in which templates are filled: of `{% trans %}`, and of every `Said` among the values.
    """

    def shown(value: Any) -> Any:
        # Whatever ends up in a document passes here, before it is escaped.
        told = spoken.tell(value) if isinstance(value, Said) else value
        return text.lines(redact(told)) if type(told) is str else told

    found = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("ops_pipelines.watch")]),
        autoescape=escaped,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.policies["ext.i18n.trimmed"] = True
    _install(found, spoken, shown)
    found.globals["spoken"] = spoken
    found.filters.update(
        ago=pass_context(lambda context, at: spoken.ago(at, context["now"])),
        moment=spoken.moment,
        iso=lambda at: at.isoformat(timespec="seconds") if at is not None else "",
        day=spoken.day,
        size=spoken.size,
        span=spoken.span,
        seconds=spoken.seconds,
        share=spoken.share,
        number=spoken.number,
        word=spoken.word,
        tone=tone,
    )
    return found


def _install(found: Environment, spoken: Language, shown: Callable[[Any], Any]) -> None:
    """The translations. What is put into them is redacted and cleaned as all values are, which Jinja does not do."""
    translations = spoken.translations
    found.install_gettext_callables(  # type: ignore[attr-defined]
        translations.gettext, translations.ngettext, newstyle=True, pgettext=translations.pgettext
    )
    of_jinja: dict[str, Any] = {name: found.globals[name] for name in ("gettext", "ngettext", "pgettext")}
    found.globals.update({name: _filled(translate, shown) for name, translate in of_jinja.items()})


def _filled(translate: Callable[..., str], shown: Callable[[Any], Any]) -> Callable[..., str]:
    @pass_context
    def filled(context: Context, *words: Any, **values: Any) -> str:
        return translate(context, *words, **{name: shown(value) for name, value in values.items()})

    return filled
