"""Hide secrets at every boundary: errors, logs, events, reports, alerts.

Two nets: every secret value that was ever resolved is registered here and replaced wherever it
appears, and passwords inside URLs or `key=value` pairs are masked even when nobody registered
them. This module never decides whether something is a secret: `config.secrets` does.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
_SHORTEST = 4  # masking every "a" of a one-letter password would hide the message, not the secret

_values: set[str] = set()
_PATTERNS = (
    re.compile(r"(?<=://)([^\s/:@]*):([^\s\"'<>]+)(?=@)"),  # up to the last @: not everybody encodes his password
    re.compile(
        r"(?i)\b((?:ssl)?password|passwd|pwd|secret|token)(\s*[=:]\s*)"
        r"(?!\s*\{(?:env|file):)('[^']*'|\"[^\"]*\"|[^\s,;&]+)"  # where a secret is kept is none
    ),
    re.compile(r"AGE-SECRET-KEY-1[0-9A-Z]+"),
)


def register(secret: str) -> str:
    """Remember a secret value so that `redact` hides it from now on; returns it unchanged."""
    if len(secret) >= _SHORTEST:
        escaped = quote(secret, safe="")
        lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), escaped)
        _values.update({secret, escaped, lower, quote_plus(secret), quote(secret, safe="/")})
    return secret


def redact(text: str) -> str:
    """Return `text` with every known secret and everything that looks like one masked."""
    for value in sorted(_values, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _PATTERNS[0].sub(rf"\1:{MASK}", text)
    text = _PATTERNS[1].sub(rf"\1\2{MASK}", text)
    return _PATTERNS[2].sub(MASK, text)


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
