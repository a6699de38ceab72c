"""A directory in `ops.yaml`: a NAS mount, a USB disk, another volume."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from ops_pipelines.vault.stores.base import Store
from ops_pipelines.vault.stores.settings import StoreSettings, copied
from ops_pipelines.vault.stores.volume import Volume
from ops_pipelines.vault.trust import Trust


class DirectorySettings(StoreSettings):
    """A directory: a NAS mount, a USB disk, another volume."""

    kind: Literal["directory"]
    path: Path = Field(examples=["/mnt/nas/backups"])
    medium: str = Field("disk", description="what it is stored on, for the 3-2-1 rule", examples=["nas"])
    offsite: bool = Field(False, description="it is off-site: unencrypted parts are refused")
    mounted: bool = Field(
        False,
        description="`path` lies on a volume of its own: the first use, too, refuses when that is not mounted",
    )

    @property
    def root(self) -> Path:
        """See `StoreSettings.root`."""
        return self.path

    @property
    def shell_address(self) -> str:
        """See `StoreSettings.shell_address`."""
        return str(self.path)

    def open(self, name: str, base: Path, trust: Trust) -> Store:
        """See `StoreSettings.open`."""
        from ops_pipelines.vault.stores.directory import DirectoryStore  # noqa: PLC0415

        volume = Volume(name, self.path, base / "stores" / f"{name}.mark", mounted=self.mounted)
        return DirectoryStore(name, self.path, trust, medium=self.medium, offsite=self.offsite, volume=volume)

    def as_here(self, today: StoreSettings | None) -> StoreSettings:
        """A disk is where it is mounted today."""
        return today if isinstance(today, DirectorySettings) else self

    def fetched(self, copy: str, folder: str) -> Iterator[str]:
        """See `StoreSettings.fetched`."""
        return copied(copy, folder)
