"""Other installations, whose restore points are believed: each of the sources that name it, and of no others."""

from typing import Annotated

from pydantic import AfterValidator, Field

from ops_pipelines.settings.common import Model
from ops_pipelines.vault.signing.minisign import PublicKey


def _public_key(value: str) -> str:
    try:
        PublicKey.read(value)
    except ValueError:
        raise ValueError(f"a public key as `ops key show` prints it there, not {value[:12]!r}") from None
    return value


class Installation(Model):
    """Who signs at a site that lets nobody in. `ops key show` prints both there."""

    id: str = Field(pattern="^[0-9a-f]{32}$", description="its id", examples=["0f3c5d5e8a614a7b9d2e1c4b6a798f00"])
    keys: tuple[Annotated[str, AfterValidator(_public_key)], ...] = Field(
        min_length=1, description="its public keys; a new one beside the old one before it signs with that",
        examples=[["RWQ…"]],
    )  # fmt: skip
