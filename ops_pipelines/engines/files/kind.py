"""The kind `files`: folders, kept by restic."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from ops_pipelines.engines.base import Contents
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.engines.kind import Kind
from ops_pipelines.repository import NO_REPOSITORY
from ops_pipelines.text import shell


class FilesKind(Kind):
    """Folders."""

    name = "files"
    settings = FilesSource
    step = "snapshot"
    on_disk = True
    speaks_sql = False
    programs = ("restic",)
    clients = ("restic",)
    to_install = "restic (Debian: `apt-get install restic`)"
    kit_options = ()

    def by_hand(self, facts: Mapping[str, JsonValue], roles: Collection[str]) -> Sequence[str]:
        """See `Kind.by_hand`; with RESTIC_PASSWORD in the environment."""
        tag, snapshot = shell(str(facts["tag"])), shell(str(facts["snapshot"])[:8])
        return [
            f"{NO_REPOSITORY}   # of this store; RESTIC_PASSWORD is asked for",
            f"restic snapshots --tag {tag}   # {snapshot} in local",
            f"restic restore latest --tag {tag} --target restored",
        ]

    def load(self) -> None:
        """See `Kind.load`."""
        from ops_pipelines.engines.files import engine, examine  # noqa: F401, PLC0415

    def reap(self, directory: Path) -> None:
        """Make what a killed restore left removable."""
        from ops_pipelines.engines.folders import make_removable  # noqa: PLC0415

        make_removable(directory)

    def missing(
        self, named: Sequence[str], held: Contents, facts: Mapping[str, JsonValue], below: str
    ) -> Sequence[str]:
        """See `Kind.missing`."""
        from ops_pipelines.engines.files.listing import missing, read_back  # noqa: PLC0415

        folders = facts["roots"]
        assert isinstance(folders, list)
        pairs = [
            (str(Path(read_back(str(each["path"])))), read_back(str(each["listed"])))
            for each in folders
            if isinstance(each, dict)
        ]
        return missing(named, held, pairs, below)

    def kit_target(self, password_variable: str) -> Iterator[str]:
        """See `Kind.kit_target`."""
        yield f'export RESTIC_PASSWORD="${password_variable}"'
