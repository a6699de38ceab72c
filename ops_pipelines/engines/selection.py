"""Which of the recorded names a user means by `--only`. Knows no engine's spelling."""

import difflib
from collections.abc import Iterable, Sequence

from ops_pipelines.errors import SourceError

_NAMED = 5


def nothing_matches(wanted: str, names: Iterable[str], what: str) -> SourceError:
    """The error for a selection that is not in the restore point: it names what is close, or what there is.

    Args:
        what: tables, collections: what is being selected.
    """
    known = sorted(names)
    close = difflib.get_close_matches(wanted, known, n=_NAMED, cutoff=0.5)
    if close:
        why = f"close to it: {', '.join(close)}"
    else:
        more = f" … and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        why = f"it has {', '.join(known[:_NAMED])}{more}" if known else f"it has no {what}"
    return SourceError(
        f"{wanted!r} matches nothing in this restore point",
        why=why,
        safe="nothing was restored",
        next=f"name {what} as they were when the backup was taken, or choose another restore point",
    )


def pick_names(only: Sequence[str], names: Sequence[str], what: str) -> list[str]:
    """The names a selection means where names have one part; `*` at the end stands for anything.

    Raises:
        SourceError: one of the selection matches nothing.
    """
    picked: dict[str, None] = {}
    for wanted in only:
        found = [name for name in names if name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1]))]
        if not found:
            raise nothing_matches(wanted, names, what)
        picked.update(dict.fromkeys(found))
    return list(picked)
