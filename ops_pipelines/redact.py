"""Hide secrets at every boundary: errors, logs, events, reports, alerts.

Two nets: every secret value that was ever resolved is registered here and replaced wherever it
appears, and passwords inside URLs or `key=value` pairs are masked even when nobody registered
them. This module never decides whether something is a secret: `config.secrets` does.
"""

import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, unquote, urlsplit

MASK = "•••"
_SHORTEST = 4  # masking every "a" of a one-letter password would hide the message, not the secret

_values: set[str] = set()
# What is masked of each is its group `secret`.
_PATTERNS = (
    # The word itself stands where a hint shows how an address is written.
    re.compile(
        r"://[^\s/:@]*:(?!(?:PASSWORD|password)@[^@\s]*(?:\s|\Z))(?P<secret>[^\s\"'<>]+)(?=@)"
    ),  # up to the last @: not everybody encodes his password
    re.compile(
        r"(?i)(?<!using )\b(?:(?:ssl)?password|passwd|pwd|secret|token)\s*[=:]\s*"
        r"(?!\s*\{(?:env|file):)(?P<secret>'[^']*'|\"[^\"]*\"|[^\s,;&]+)"  # where a secret is kept is none
    ),
    re.compile(r"(?P<secret>AGE-SECRET-KEY-1[0-9A-Z]+)"),
    re.compile(r"://(?P<secret>[^\s/:@\"'<>]{16,})(?=@)"),  # a token in a user's place, as in Sentry's DSN
    re.compile(r"(?i)\bhooks\.slack\.com/[a-z]+/(?P<secret>[^\s\"'<>|]+)"),
)
_PLACES = re.compile(r"localhost|\d{1,3}(?:\.\d{1,3}){3}")
_CUTS = re.compile(r"[/@#?:\s]+")


def register(secret: str) -> str:
    """Remember a secret value so that `redact` hides it from now on; returns it unchanged."""
    if len(secret) >= _SHORTEST:
        _values.update(_spellings(secret))
    return secret


def register_url(url: str) -> str:
    """Remember a URL, its password and, where special characters of that were left as they are, every piece of it.

    A program that cuts such a URL at the wrong places would say one half of the password in an error, and take the
    other for a host.

    Returns:
        The URL, unchanged.
    """
    login = register(url).partition("://")[2].rpartition("@")[0]
    parts = parts_of(url)
    password = (parts.password if parts is not None else login.partition(":")[2]) or ""
    # Where it cannot be told where the password ends, a host may be among its pieces.
    pieces = [each for each in _CUTS.split(password) if not _PLACES.fullmatch(each)]
    for each in (password, unquote(password), *pieces):
        register(each)
    return url


def parts_of(url: str) -> SplitResult | None:
    """A URL's parts; None where a password that nobody encoded makes them others than its author meant."""
    try:
        parts = urlsplit(url)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        return None
    stray = any("@" in each for each in (parts.path, parts.fragment, parts.query.partition("=")[0]))
    return parts if readable and not (stray and parts.netloc) else None


def redact(text: str) -> str:
    """Return `text` with every known secret and everything that looks like one masked.

    All are looked for in the text as it came, and what overlaps is masked as one: a secret that is the beginning of
    another, or that shares an end with it, leaves no half of either.
    """
    shown: list[str] = []
    end = 0
    for begin, until in sorted(_found(text)):
        if begin > end or not shown:
            shown += [text[end:begin], MASK]
        end = max(end, until)
    return "".join([*shown, text[end:]])


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Where a secret begins and ends, once for each; they may overlap."""
    for value in _values:
        begin = text.find(value)
        while begin >= 0:
            yield begin, begin + len(value)
            begin = text.find(value, begin + 1)
    for pattern in _PATTERNS:
        yield from (match.span("secret") for match in pattern.finditer(text))


def _spellings(secret: str) -> Iterable[str]:
    """A secret as it is, in URLs, and as what prints it would escape it: JSON, HTML, a shell, Python, libpq, YAML."""
    encoded = quote(secret, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), encoded)
    webbed = html.escape(secret)
    backslashed = secret.replace("\\", "\\\\")
    return {
        secret,
        encoded,
        lower,
        quote_plus(secret),
        quote(secret, safe="/"),
        quote(secret, safe="/:@!$&'()*+,;="),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        webbed,
        webbed.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
        html.escape(secret, quote=False),
        shlex.quote(secret).removeprefix("'").removesuffix("'"),
        repr(secret)[1:-1],
        backslashed,
        backslashed.replace("'", "\\'"),
        secret.replace("'", "''"),
    }


def redact_within(value: Any) -> Any:
    """The same value with every text in it masked, keys included; what is neither number nor container becomes text.

    Before a document is rendered: quotes that JSON escapes would hide a secret from `redact`, not from a reader.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_within(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_within(item) for item in value]
    return redact(str(value))
