"""A language that nobody speaks: what is translated stands in brackets, so that what is not is seen."""

import re
from gettext import NullTranslations
from html.parser import HTMLParser

from ops_pipelines.language.speech import Language

_INNERMOST = re.compile(r"⟦[^⟦⟧]*⟧")
_ATTRIBUTES = ("title", "aria-label", "data-label", "placeholder", "alt")
_NOT_READ = ("style", "script", "code", "kbd")


class _Bracketed(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"


PSEUDO = Language("fr", _Bracketed())


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _NOT_READ:
            self._inside.append(tag)
        self.found += [value or "" for name, value in attrs if name in _ATTRIBUTES]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.found.append(data)


def texts(page: str) -> list[str]:
    """What a reader of a page of HTML is told, commands aside: texts, and what is read of pictures."""
    read = _Texts()
    read.feed(page)
    return [said for each in read.found if (said := " ".join(each.split()))]


def untranslated(text: str) -> str:
    """What of a text of `PSEUDO` stands in no brackets."""
    while (less := _INNERMOST.sub("", text)) != text:
        text = less
    return text


def left_over(page: str, *names: re.Pattern[str]) -> list[str]:
    """What a page of HTML in `PSEUDO` says untranslated, names aside."""
    found = []
    for text in texts(page):
        rest = untranslated(text)
        for known in names:
            rest = known.sub("", rest)
        if re.search(r"[^\W\d_]{3}", rest):
            found.append(text)
    return found
