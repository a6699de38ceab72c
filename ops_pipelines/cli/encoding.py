"""Any locale: file names are always UTF-8 to us, and both outputs take any text in whatever encoding they have."""

import codecs
import os
import sys
import unicodedata
from io import TextIOWrapper

_NAME = "plain"
_PLAIN = {"✓": "+", "✗": "x", "→": "->", "…": "...", "•": "*", "·": "-", "–": "-", "—": "-", "×": "x", "≥": ">="}


def settle() -> None:
    """Begin again in Python's UTF-8 mode, where the locale would make other names of the names of files.

    What is printed keeps the encoding of the locale.
    """
    if sys.getfilesystemencoding() != "utf-8":
        environ = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": sys.stdout.encoding}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)
    _take_any()


def _take_any() -> None:
    """From now on both outputs take any text, whatever the locale says."""
    codecs.register_error(_NAME, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def is_unicode() -> bool:
    """Whether standard output has every character."""
    try:
        return codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    refused = error.object[error.start : error.end]
    return "".join(_character(each, error.encoding) for each in refused), error.end


def _character(character: str, encoding: str) -> str:
    """What stands for a character: a spelling of our signs, a letter without its accents, or its code."""
    without_accents = "".join(
        each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each)
    )
    for instead in (_PLAIN.get(character), without_accents):
        try:
            if instead:
                instead.encode(encoding)
                return instead
        except UnicodeEncodeError:
            continue
    return character.encode("unicode_escape").decode("ascii")
