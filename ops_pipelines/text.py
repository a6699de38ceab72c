"""Text that came from outside, made harmless for where it goes: one function for each destination.

Names of tables and files, errors of tools, verdicts and manifests are written by others. On a terminal they may move
the cursor, in a report become a link, in Slack call everybody. Each face passes them through here, as the last step;
until then they stay what they are. Secrets are `redact`'s.
"""

import html as _html
import json as _json
import re
import shlex
from collections.abc import Iterable

# What no font shows, or what changes how its neighbours are shown: controls, directions, separators, halves of pairs.
_UNSEEN = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_TRACEBACK = "Traceback (most recent call last):"
_LINES = re.compile(f"[{_UNSEEN}]")
_LINE = re.compile(f"[\t\n{_UNSEEN}]")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~#])")
_ESCAPED_MARKDOWN = re.compile(rf"\\{_MARKDOWN.pattern}")


def lines(text: str) -> str:
    """For a place that takes several lines: only line breaks and tabs are left as they are."""
    return _LINES.sub(_code, text)


def line(text: str) -> str:
    """For a place that takes one line: line breaks are shown as codes as well."""
    return _LINE.sub(_code, text)


def without_tracebacks(said: Iterable[str]) -> list[str]:
    """Lines of a program; where it is one of Python's that was stopped or failed, without the places in its code."""
    kept, in_traceback = [], False
    for each in said:
        if each == _TRACEBACK:
            in_traceback = True
        elif not in_traceback or each[:1].strip():
            in_traceback = False
            kept.append(each)
    return kept


def rich(text: str) -> str:
    """For Rich's markup on a terminal: brackets and all are shown as they are."""
    # Backslashes count in front of a bracket, and at the end, where a tag of ours may follow.
    return re.sub(r"(\\*)(\[|\Z)", lambda found: found[1] * 2 + (r"\[" if found[2] else ""), lines(text))


def markdown(text: str) -> str:
    """For a sentence, a list item or a cell in Markdown: no code, emphasis, link, table or HTML begins in it."""
    return _MARKDOWN.sub(r"\\\1", " ".join(lines(text).split())).replace("&", "&amp;")


def from_markdown(text: str) -> str:
    """What `markdown` was given, but for its white space."""
    return _ESCAPED_MARKDOWN.sub(r"\1", text.replace("&amp;", "&"))


def markdown_code(text: str) -> str:
    """For code within a line of Markdown, with the ticks around it."""
    shown = line(text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{ticks} {shown} {ticks}" if "`" in shown else f"{ticks}{shown}{ticks}"


def markdown_block(text: str) -> str:
    """For several lines of commands in Markdown, with the fences around them."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{lines(text)}\n{fence}"


def html(text: str) -> str:
    """For HTML, in text and in attributes."""
    return _html.escape(lines(text))


def slack(text: str) -> str:
    """For Slack's mrkdwn: nobody is called, and nothing becomes a link."""
    return lines(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shell(*words: str) -> str:
    """For a command that somebody will paste: each word stays one, and nothing in it is run."""
    return " ".join(_ansi_quoted(word) if _LINE.search(word) else shlex.quote(word) for word in words)


def value(text: str) -> str:
    """For the value in a line of `name=value` pairs: in quotes, as in JSON, where it would not read as one word."""
    shown = line(text)
    return shown if shown and not re.search(r'[\s"=\\]', shown) else _json.dumps(shown, ensure_ascii=False)


def json(document: str) -> str:
    """For a JSON document that may meet a terminal: the same document, without a raw character that is not seen."""
    return _LINES.sub(lambda found: _json_code(found[0]), document)


def _code(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _ansi_quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _LINE.sub(lambda found: _byte_codes(found[0]), escaped) + "'"


def _byte_codes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _json_code(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
