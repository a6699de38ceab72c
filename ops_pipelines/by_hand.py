"""The commands that restore with standard tools only, made here from facts and never read from a store."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from ops_pipelines.engines.registry import kind_of
from ops_pipelines.vault.manifest import Part


def steps(kind: str, facts: Mapping[str, JsonValue], parts: Sequence[Part], *, key: str = "KEY") -> list[str]:
    """The commands in their order, in a directory that holds the parts.

    Args:
        kind: of the source.
        facts: what its engine recorded.
        key: the identity's file, as it is typed.
    """
    commands = ["sha256sum -c SHA256SUMS"]
    for part in parts:
        plain = part.name.removesuffix(".age").removesuffix(".zst")
        decrypt = f"age -d -i {key} {part.name} | zstd -d" if part.encryption == "age" else f"zstd -dc {part.name}"
        commands.append(f"{decrypt} > {plain}")
    return [*commands, *kind_of(kind).by_hand(facts, {part.role for part in parts})]
