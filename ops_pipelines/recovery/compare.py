"""Compare what a restore brought back with what the source held; each difference has a name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ops_pipelines.engines.base import DIGESTED, EXISTS, Contents
from ops_pipelines.proof import BACK_UP, Gap
from ops_pipelines.vault.verdict import Check

_NAMED = 5
_QUIETER = "ops backup, when nobody writes to it"


Reload = Callable[[Mapping[str, str]], Mapping[str, str]]
"""What a server prints for some of the source's definitions after it has read them; see `engines.base.Reloader`."""


def by_the_letter(definitions: Mapping[str, str]) -> Mapping[str, str]:
    """The `Reload` of an engine whose definitions never change their text: nothing needs a second look."""
    return {}


def compare(held: Contents, restored: Contents, reload: Reload = by_the_letter) -> list[Check]:
    """The assertions `schema`, `rows`, `content`, `counters` and `migrations`; none for a fingerprint that is off.

    Args:
        held: the fingerprint taken in the dump's snapshot.
        restored: the same of the restored database.
        reload: asked once, and only about definitions whose texts differ.
    """
    if held.level == "off":
        return []
    tables = f"{len(held.tables)} tables"
    checks = [
        _check_schema(held, restored, reload),
        _check("rows", _rows(held, restored), f"{held.rows} rows in {tables}"),
        _check("counters", _counters(held, restored), f"{len(held.counters)} at or past where they stood"),
    ]
    if held.migrations:
        heads = [f"{tool}: {head}" for tool, head in sorted(held.migrations.items())]
        checks.append(_check("migrations", _migrations(held, restored), _first(heads)))
    if held.level in DIGESTED:
        checks.append(_check_content(held, restored))
    return checks


def uncompared(held: Contents, restored: Contents, *, partly: bool = False) -> list[Gap]:
    """What a comparison at the fingerprint's level says nothing about, the fingerprint's own gaps among it.

    Args:
        partly: only a part was restored, as was asked for: what is only known to exist in the rest is no gap.
    """
    if held.level == "off":
        return list(held.gaps)
    found = [*held.gaps, *(gap for gap in restored.gaps if gap not in held.gaps)]
    if held.dialect != restored.dialect:
        why = f"recorded as {held.dialect or 'an older dialect'!r}, described here as {restored.dialect!r}"
        found.append(Gap(what="definitions", why=why, cure=BACK_UP))
    elif exist := [
        name
        for name, text in held.objects.items()
        if _only_exists(text, None if partly else restored.objects.get(name)) and name not in _unknown(held, restored)
    ]:
        found.append(Gap(what=_first(exist), why="only known to exist", cure=_QUIETER))
    if held.level in DIGESTED and held.digests != restored.digests:
        found.append(Gap(what="content", why=_digested_otherwise(held, restored), cure=BACK_UP))
    found += [
        Gap(what=name, why="written to during the dump, and no snapshot covers it", cure=_QUIETER)
        for name in held.unsteady
    ]
    # What the source's fingerprint leaves out was not asked for.
    unlooked = [kind for kind in restored.unseen if kind not in held.unseen]
    found += [Gap(what=f"{kind} definitions", why="could not be looked at after the restore") for kind in unlooked]
    return found


def _compared(held: Contents, restored: Contents) -> str:
    """What is said when no content differs: never more than was compared."""
    whole = [
        name
        for name, table in held.tables.items()
        if name in restored.tables and not _only_exists(table.digest, restored.tables[name].digest)
    ]
    if held.level == "sample":
        rows = sum(held.tables[name].digested or 0 for name in whole)
        return f"{rows} of {held.rows} rows, in {len(whole)} of {len(held.tables)} tables, with the same content"
    if len(whole) == len(held.tables):
        return f"{len(whole)} tables with the same content"
    return f"{len(whole)} of {len(held.tables)} tables with the same content, the others only as far as schema says"


def _check_schema(held: Contents, restored: Contents, reload: Reload) -> Check:
    """Definitions described in another way say nothing about each other: an upgrade marks no backup bad."""
    if held.dialect != restored.dialect:
        detail = (
            f"not compared: recorded as {held.dialect or 'an older dialect'!r}, described here as {restored.dialect!r}"
        )
        return Check(name="schema", passed=True, detail=detail)
    seen = {name: described for name, described in held.objects.items() if _seen(name, held, restored)}
    exist = sum(_only_exists(described, restored.objects.get(name)) for name, described in seen.items())
    unseen = len(held.objects) - len(seen)
    well = f"{len(seen) - exist} objects unchanged"
    well += f", {exist} only known to exist" if exist else ""
    well += f", {unseen} ({', '.join(restored.unseen)}) not compared" if unseen else ""
    return _check("schema", _schema(held, restored, changed(held, restored, reload)), well)


def _check_content(held: Contents, restored: Contents) -> Check:
    """Rows digested in another way say nothing about each other either."""
    if held.digests != restored.digests:
        return Check(name="content", passed=True, detail=f"not compared: {_digested_otherwise(held, restored)}")
    return _check("content", _content(held, restored), _compared(held, restored))


def _digested_otherwise(held: Contents, restored: Contents) -> str:
    return f"rows were digested as {held.digests!r}, here as {restored.digests!r}"


def _seen(name: str, held: Contents, restored: Contents) -> bool:
    """Whether both fingerprints would tell of such an object."""
    return name.split(" ", 1)[0] not in (*held.unseen, *restored.unseen)


def _only_exists(held: str | None, found: str | None) -> bool:
    """Whether one of two descriptions or digests tells of existence alone."""
    return any(each is not None and each.startswith(EXISTS) for each in (held, found))


def _check(name: str, differences: Iterable[str], well: str) -> Check:
    found = list(differences)
    if not found:
        return Check(name=name, passed=True, detail=well)
    return Check(name=name, passed=False, detail=_first(found))


def _first(found: Sequence[str]) -> str:
    more = f" … and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return "; ".join(found[:_NAMED]) + more


def changed(held: Contents, restored: Contents, reload: Reload) -> Mapping[str, tuple[str, str]]:
    """Definitions that came back with another effect: the source's text and the restored one by name.

    A server may print a definition differently after it has read it. So where two texts differ, the source's own takes
    the same way once more: what then reads as the restored one does is the same.
    """
    differing = {
        name: text
        for name, text in held.objects.items()
        if _seen(name, held, restored)
        and restored.objects.get(name, text) != text
        and not _only_exists(text, restored.objects[name])
    }
    again = reload(differing) if differing else {}
    return {
        name: (text, restored.objects[name])
        for name, text in sorted(differing.items())
        if again.get(name) != restored.objects[name]
    }


def _schema(held: Contents, restored: Contents, changed: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for name in sorted(held.objects):
        if _seen(name, held, restored) and name not in restored.objects:
            yield f"{name} is missing"
        elif name in changed:
            yield f"{name} is defined differently"
    for name in sorted(restored.objects.keys() - held.objects.keys()):
        if _seen(name, held, restored):
            yield f"{name} was not in the source"


def _unknown(held: Contents, restored: Contents) -> set[str]:
    """What one of the two could not look at."""
    return {gap.what for gap in (*held.gaps, *restored.gaps)}


def _rows(held: Contents, restored: Contents) -> Iterator[str]:
    unknown = _unknown(held, restored)
    for name, table in sorted(held.tables.items()):
        found = restored.tables.get(name)
        if name in unknown:
            continue
        if found is None:
            yield f"{name} is missing ({table.rows} rows)"
        elif found.rows != table.rows and name not in held.unsteady:
            yield f"{name} has {found.rows} rows, the source had {table.rows}"
    for name in sorted(restored.tables.keys() - held.tables.keys() - unknown):
        yield f"{name} was not in the source ({restored.tables[name].rows} rows)"


def _migrations(held: Contents, restored: Contents) -> Iterator[str]:
    for tool, head in sorted(held.migrations.items()):
        found = restored.migrations.get(tool)
        if found != head:
            yield f"{tool} is at {found}, the source was at {head}"


def _content(held: Contents, restored: Contents) -> Iterator[str]:
    for name, table in sorted(held.tables.items()):
        found = restored.tables.get(name)
        known = found is not None and name not in held.unsteady and not _only_exists(table.digest, found.digest)
        if found is not None and known and found.rows == table.rows and found.digest != table.digest:
            sampled = table.digested is not None and table.digested < table.rows
            rows = f"{table.digested} sampled of its {table.rows}" if sampled else f"{table.rows}"
            yield f"{name} has different content in its {rows} rows"


def _counters(held: Contents, restored: Contents) -> Iterator[str]:
    for name, value in sorted(held.counters.items()):
        found = restored.counters.get(name)
        if found is None or found < value:
            yield f"{name} stands at {found}, the source was at {value}"
