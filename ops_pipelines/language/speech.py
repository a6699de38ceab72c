"""A language: its words, and how it writes numbers, moments, spans and sizes. English needs no translation."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from typing import Any, Literal, get_args

from ops_pipelines.chronology import age
from ops_pipelines.clock import human_duration, human_size
from ops_pipelines.language.said import Said, Size, Word, filled, shown

Code = Literal["en", "cs", "fr"]
CODES: Sequence[Code] = get_args(Code)
NAMES: Mapping[Code, str] = {"en": "English", "cs": "Čeština", "fr": "Français"}

_DAY, _HOUR, _MINUTE = 86400, 3600, 60


@dataclass(frozen=True)
class Language:
    """One language."""

    code: Code
    translations: NullTranslations

    def __reduce__(self) -> tuple[object, ...]:
        return language, (self.code,)

    def tell(self, text: str) -> str:
        """A text in this language; what is no `Said` is returned as it is."""
        if not isinstance(text, Said):
            return text
        if text.many:
            pattern = self.translations.ngettext(text.pattern, text.many, text.facts["count"])
        else:
            pattern = self.translations.gettext(text.pattern)
        return filled(pattern, text.facts, self.shown)

    def word(self, word: str) -> str:
        """One of the words that machines know as well, as people of this language say it; others stay as they are."""
        return self.tell(word) if isinstance(word, Said) else self.translations.pgettext("word", word)

    def shown(self, fact: Any) -> str:
        """A fact as this language writes it."""
        if isinstance(fact, Said):
            return self.tell(fact)
        if isinstance(fact, Word):
            return self.word(fact)
        if isinstance(fact, timedelta):
            return self.span(fact)
        if isinstance(fact, datetime):
            return self.moment(fact)
        if isinstance(fact, date):
            return self.day(fact)
        if isinstance(fact, Size):
            return self.size(fact)
        if isinstance(fact, (list, tuple)):
            return ", ".join(map(self.shown, fact))
        return self.number(fact) if isinstance(fact, float) else shown(fact)

    def moment(self, at: datetime | None) -> str:
        """`2026-11-21 02:00 UTC`; `never` for none."""
        if at is None:
            return self.translations.gettext("never")
        if self.code == "en":
            return shown(at)
        from babel.dates import format_skeleton  # noqa: PLC0415 - English does without

        return f"{self.day(at)} {format_skeleton('Hm', at, locale=self.code)} UTC"

    def day(self, day: date) -> str:
        """`2026-11-21`."""
        if self.code == "en":
            return f"{day:%Y-%m-%d}"
        from babel.dates import format_skeleton  # noqa: PLC0415

        return format_skeleton("yMd", day, locale=self.code)

    def weekday(self, day: date) -> str:
        """`Saturday 2026-11-21`."""
        if self.code == "en":
            return f"{day:%A %Y-%m-%d}"
        from babel.dates import format_date  # noqa: PLC0415

        return format_date(day, "full", locale=self.code)

    def month(self, day: date) -> str:
        """`November 2026`, as it stands alone."""
        if self.code == "en":
            return f"{day:%B %Y}"
        from babel.dates import format_date  # noqa: PLC0415

        return format_date(day, "LLLL y", locale=self.code)

    def ago(self, at: datetime | None, now: datetime) -> str:
        """How long ago that was: `3h 02m`, `in the future`, `never`."""
        if at is None:
            return self.translations.gettext("never")
        passed = age(at, now)
        return self.span(passed) if passed is not None else self.translations.gettext("in the future")

    def seconds(self, value: float) -> str:
        """A number of seconds as a span."""
        return self.span(timedelta(seconds=value))

    def span(self, span: timedelta) -> str:
        """`3d 4h`, `2h 05m`, `41s`: two units at most."""
        if self.code == "en":
            return human_duration(span)
        seconds = span.total_seconds()
        if seconds < 59.5:
            return self._unit(round(seconds, 1) if seconds < 9.95 else round(seconds), "s")
        days, rest = divmod(round(seconds), _DAY)
        hours, rest = divmod(rest, _HOUR)
        minutes, left = divmod(rest, _MINUTE)
        if days:
            return f"{self._unit(days, 'd')} {self._unit(hours, 'h')}"
        if hours:
            return f"{self._unit(hours, 'h')} {self._unit(minutes, 'min')}"
        return f"{self._unit(minutes, 'min')} {self._unit(left, 's')}"

    def size(self, size_bytes: float) -> str:
        """`1.5 GiB`, `312 KiB`, `7 B`."""
        said = human_size(size_bytes)
        if self.code == "en":
            return said
        value, _space, unit = said.partition(" ")
        return f"{self.number(float(value))}\N{NO-BREAK SPACE}{self.word(unit)}"

    def number(self, value: float) -> str:
        """`12,345`."""
        if self.code == "en":
            return f"{value:,}"
        from babel.numbers import format_decimal  # noqa: PLC0415

        return format_decimal(value, locale=self.code)

    def fixed(self, value: float, digits: int) -> str:
        """`14.00`: so many digits after the decimal point."""
        if self.code == "en":
            return f"{value:,.{digits}f}"
        from babel.numbers import format_decimal  # noqa: PLC0415

        return format_decimal(value, format=f"#,##0.{'0' * digits}", locale=self.code)

    def share(self, value: float, digits: int = 1) -> str:
        """`99.5%`, of 0 to 1. Never 100% of what was not all of it.

        Args:
            digits: after the decimal point.
        """
        percent = "100" if value == 1 else f"{min(value * 100, 100 - 10**-digits):.{digits}f}"
        if self.code == "en":
            return f"{percent}%"
        return f"{self.number(float(percent))}\N{NO-BREAK SPACE}%"

    def _unit(self, value: float, unit: str) -> str:
        # Words for units have cases in Czech, which a span does not know; their signs have none.
        return f"{self.number(value)}\N{NO-BREAK SPACE}{self.word(unit)}"


@cache
def language(code: Code) -> Language:
    """The language of that code. Its translations are read once."""
    if code == "en":
        return Language(code, NullTranslations())
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po  # noqa: PLC0415

    file = resources.files("ops_pipelines.language").joinpath("locales", code, "LC_MESSAGES", "ops.po")
    compiled = io.BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, locale=code))
    compiled.seek(0)
    return Language(code, GNUTranslations(compiled))


ENGLISH = language("en")


def preferred(accepted: str, otherwise: Code) -> Code:
    """The language that a browser asks for.

    Args:
        accepted: its `Accept-Language` header.
        otherwise: where it asks for none of ours.
    """
    offers = sorted(map(_offer, accepted.split(",")), key=lambda offer: -offer[1])
    wanted = [name.partition("-")[0].lower() for name, weight in offers if weight > 0]
    return next((code for name in wanted for code in CODES if code == name), otherwise)


def _offer(text: str) -> tuple[str, float]:
    """`fr-CH;q=0.9`: the language and its weight; what is no weight weighs nothing."""
    name, _semicolon, parameter = text.strip().partition(";")
    if not parameter:
        return name, 1.0
    try:
        return name, float(parameter.strip().removeprefix("q="))
    except ValueError:
        return name, 0.0
