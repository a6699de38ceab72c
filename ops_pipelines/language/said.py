"""Texts that know what they were made of. As a `str` each is English; a face says it in its reader's language.

Nothing is parsed for that: the pattern is looked up in a translation, and the facts are put into it as that language
writes them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import PlainSerializer, SerializationInfo, WrapValidator

from ops_pipelines.clock import human_duration, human_size, read_moment

KEEP_FACTS = "keep facts"
"""The context in which a model is dumped that will be read again: its texts keep what they were made of."""
_PLACE = re.compile(r"\{([a-z_]+)\}")


class Size(int):
    """A number of bytes."""


class Word(str):
    """A word that machines know as well; people see it translated."""


class Said(str):
    """A text of ours.

    Attributes:
        pattern: with names in braces; what translations are found by.
        many: the pattern for another number than one; empty where nothing is counted.
        facts: what is put in for the names. `count` decides between the patterns.
    """

    pattern: str
    many: str
    facts: Mapping[str, Any]

    def __new__(cls, pattern: str, many: str, facts: Mapping[str, Any]) -> "Said":
        made = super().__new__(cls, filled(many if many and facts["count"] != 1 else pattern, facts, shown))
        made.pattern, made.many, made.facts = pattern, many, facts
        return made

    def __reduce__(self) -> tuple[object, ...]:
        """A copy of a `str` would forget what it was made of."""
        return Said, (self.pattern, self.many, dict(self.facts))


def said(pattern: str, **facts: Any) -> Said:
    """A text.

    Args:
        pattern: in English, with names in braces.
        facts: for each name a text, number, `Size`, span or moment; a `Word`, another `Said`; a sequence of these.
    """
    return Said(pattern, "", facts)


def counted(one: str, many: str, count: int, **facts: Any) -> Said:
    """The same, where the words depend on a number; `{count}` stands for it.

    Args:
        one: the pattern for 1, `many` for any other number.
    """
    return Said(one, many, {"count": count, **facts})


def worded(text: str) -> str:
    """What something is called, as a fact: words that no count or other fact is in are looked up as a `Word`."""
    return text if isinstance(text, Said) else Word(text)


def changed(text: str, change: Callable[[str], str]) -> str:
    """The same with everything that others have said in it changed: redacted, say, or cut off."""
    if not isinstance(text, Said):
        return change(text)
    return Said(text.pattern, text.many, {name: _changed(fact, change) for name, fact in text.facts.items()})


def _changed(fact: Any, change: Callable[[str], str]) -> Any:
    if isinstance(fact, (list, tuple)):
        return [_changed(each, change) for each in fact]
    return changed(fact, change) if isinstance(fact, str) and not isinstance(fact, Word) else fact


def told(kept: Any) -> str:
    """A text that a model was dumped with, again. Raises ValueError."""
    return _validated(kept, str)


def filled(pattern: str, facts: Mapping[str, Any], shown: Callable[[Any], str]) -> str:
    """A pattern with its facts in it. A name without a fact stays: what was kept may be from another version."""
    return _PLACE.sub(lambda found: shown(facts[found[1]]) if found[1] in facts else found[0], pattern)


def shown(fact: Any) -> str:
    """A fact in English."""
    if isinstance(fact, timedelta):
        return human_duration(fact)
    if isinstance(fact, datetime):
        return f"{fact:%Y-%m-%d %H:%M} UTC"
    if isinstance(fact, Size):
        return human_size(fact)
    if isinstance(fact, (list, tuple)):
        return ", ".join(map(shown, fact))
    return str(fact)


def _kept(fact: Any) -> Any:
    """A fact as JSON has it."""
    if isinstance(fact, Said):
        return {
            "said": fact.pattern,
            "many": fact.many,
            "facts": {name: _kept(each) for name, each in fact.facts.items()},
        }
    if isinstance(fact, Word):
        return {"word": str(fact)}
    if isinstance(fact, timedelta):
        return {"seconds": fact.total_seconds()}
    if isinstance(fact, datetime):
        return {"at": fact.isoformat()}
    if isinstance(fact, date):
        return {"day": fact.isoformat()}
    if isinstance(fact, Size):
        return {"bytes": int(fact)}
    return [_kept(each) for each in fact] if isinstance(fact, (list, tuple)) else fact


def _read(kept: Any) -> Any:
    """The fact that was kept. Raises ValueError, KeyError, TypeError for what `_kept` did not write."""
    if isinstance(kept, Sequence) and not isinstance(kept, str):
        return tuple(map(_read, kept))
    if not isinstance(kept, Mapping):
        return kept
    if "said" in kept:
        return Said(kept["said"], kept["many"], {name: _read(each) for name, each in kept["facts"].items()})
    if "word" in kept:
        return Word(kept["word"])
    if "seconds" in kept:
        return timedelta(seconds=kept["seconds"])
    if "day" in kept:
        return date.fromisoformat(kept["day"])
    return read_moment(kept["at"]) if "at" in kept else Size(kept["bytes"])


def _validated(value: Any, handler: Callable[[Any], str]) -> str:
    if isinstance(value, Said):
        return value
    if not isinstance(value, Mapping):
        return handler(value)
    try:
        return handler(value) if "said" not in value else _read(value)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"no text of ours: {error!r}") from None


def _serialized(value: str, info: SerializationInfo) -> Any:
    return _kept(value) if info.context == KEEP_FACTS and isinstance(value, Said) else str(value)


Words = Annotated[str, WrapValidator(_validated), PlainSerializer(_serialized)]
"""A field for a text that may be a `Said`. It is dumped as plain text, unless with `KEEP_FACTS`."""
