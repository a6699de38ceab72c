"""Files as disks, editors and strangers leave them: bytes that are nearly right, values that are nearly of the kind.

Every function draws from the `random.Random` that it is given: the same seed makes the same damage.
"""

import copy
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

_NUMBERS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x05\x00\x00\x00")
_WORDS = (
    b"\0", b"\n", b"\r\n", b"\xff\xfe", b"\xef\xbb\xbf", b"null", b"{", b"[" * 300, b'"', b"9" * 400, b"../", b"&a *a",
)  # fmt: skip
ODD: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, float("nan"), float("inf"), "", " ", "0",
    "null", "-1", "1e9", "x" * 5000, "../../etc/passwd", "/dev/zero", "a\nb", "a\x1b[31mb", "\u202eabc", "\u0085", "%s",
    "$(reboot)", "${HOME}", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59",
    "ß", "İ", [], {}, [[]], {"": ""}, [None], {"kind": "postgres"}, {"env": "X"}, {"file": "/dev/zero"}, [{}] * 50,
)  # fmt: skip
"""Values that no schema expects everywhere."""


def torn(random: Random, data: bytes) -> bytes:
    """Some bytes of it are others, gone, twice, or cut off."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(content) + 1)
        what = random.randrange(7)
        if what == 0:
            _flip(random, content)
        elif what == 1:
            del content[at:]
        elif what == 2:
            del content[at : at + random.choice((1, 4, 64))]
        elif what == 3:
            content[at : at + 4] = random.choice(_NUMBERS)
        elif what == 4:
            content[at:at] = random.choice(_WORDS)
        elif what == 5:
            content[at:at] = content[: random.choice((1, 16, 512))]
        else:
            content[at : at + 8] = random.randbytes(8)
    return bytes(content)


def _flip(random: Random, content: bytearray) -> None:
    if content:
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def twisted(random: Random, document: Any, words: Sequence[str] = ()) -> Any:
    """The same document of mappings, lists and values, with one to three things in it changed.

    Args:
        words: keys that may be put anywhere.
    """
    changed = copy.deepcopy(document)
    for _ in range(random.choice((1, 1, 2, 3))):
        holders = list(_holders(changed))
        if not holders:
            return random.choice(ODD)
        holder, key = random.choice(holders)
        _twist(random, holder, key, changed, words)
    return changed


def _twist(random: Random, holder: Any, key: Any, whole: Any, words: Sequence[str]) -> None:
    what = random.randrange(6)
    if what == 0:
        del holder[key]
    elif what == 1:  # something from elsewhere in the same document
        other, name = random.choice(list(_holders(whole)))
        holder[key] = copy.deepcopy(other[name])
    elif what == 2 and isinstance(holder, dict) and words:
        holder[random.choice(words)] = copy.deepcopy(random.choice(ODD))
    elif what == 3:
        holder[key] = [copy.deepcopy(holder[key])]
    elif what == 4 and isinstance(holder[key], str):
        holder[key] = torn(random, holder[key].encode()).decode(errors="replace")
    else:
        holder[key] = copy.deepcopy(random.choice(ODD))


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in a document, with each of its keys."""
    if isinstance(value, dict):
        pairs: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        return
    for key, each in pairs:
        yield value, key
        yield from _holders(each)
