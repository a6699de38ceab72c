"""The text of one definition in `Contents.objects`: a line for each fact, which a human can compare and code can read.

`label: value`; further lines of a value are indented. A fact that is not there has no line.
"""

from collections.abc import Iterable, Mapping

_CONTINUED = "\n  "


def written(facts: Iterable[tuple[str, object]]) -> str:
    """A definition's text.

    Args:
        facts: label and value, in their order; None is left out. Labels have no colon and no line break.
    """
    return "\n".join(
        f"{label}: {str(value).replace(chr(10), _CONTINUED)}" for label, value in facts if value is not None
    )


def read(text: str) -> Mapping[str, str]:
    """The facts of a definition's text by label."""
    facts: dict[str, str] = {}
    for line in text.replace(_CONTINUED, "\0").split("\n") if text else ():
        label, _, value = line.partition(": ")
        facts[label] = value.replace("\0", "\n")
    return facts
