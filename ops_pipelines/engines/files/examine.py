"""What this user may read of the folders, and what lies in restic's repositories that nobody published."""

import os
from collections.abc import Sequence, Set
from datetime import datetime
from pathlib import Path

from ops_pipelines import process
from ops_pipelines.clock import read_moment
from ops_pipelines.engines import folders
from ops_pipelines.engines.examiner import Lack, Stray
from ops_pipelines.engines.files import listing, restic
from ops_pipelines.engines.files.listing import Root
from ops_pipelines.engines.files.restic import Restic, ResticFailed
from ops_pipelines.engines.files.settings import FilesSource
from ops_pipelines.engines.files.snapshot import linked_outside
from ops_pipelines.errors import SourceError, StoreError
from ops_pipelines.repository import Repository
from ops_pipelines.text import shell

_NAMED = 3


class FilesExaminer:
    """Questions about some folders; see `Examiner` and `Repositories`."""

    def __init__(self, name: str, source: FilesSource) -> None:
        self._name, self._source = name, source

    def programs(self) -> str:
        """restic."""
        return f"restic {restic.version(restic.find(self._source.bin_dirs))}"

    def lacks(self) -> Sequence[Lack]:
        """Files and folders this user cannot read; else what links lead to that will not be in a backup."""
        roots = [Root(str(real), str(real)) for _, real in folders.distinct(self._source.paths)]
        unread = [path for root in roots for path in _unreadable(Path(root.at))]
        if not unread:
            gaps = linked_outside(listing.walk(roots), roots, self._name, self._source)
            return [Lack(f"{each.what}: {each.why}", each.cure, needed=False) for each in gaps]
        more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
        configured = " ".join(str(each) for each in self._source.paths)
        return [
            Lack(f"cannot read {', '.join(unread[:_NAMED])}{more}", f"setfacl -R -m u:{os.geteuid()}:rX {configured}")
        ]

    def clock(self) -> datetime | None:
        """This machine's: there is no other."""
        return None

    def strays(self, repository: Repository, published: Set[str]) -> Sequence[Stray]:
        """Snapshots with a tag of ours that no restore point has; see `Repositories`."""
        limits = process.Limits(stall=self._source.limits.stall, total=self._source.limits.stall)
        password = self._source.password.reveal(purpose=f"source {self._name}, password")
        tool = Restic(restic.find(self._source.bin_dirs), repository, password, limits)
        try:
            found = tool.snapshots("--tag", self._name, "--no-lock")
        except ResticFailed as error:
            if error.kind == "missing":
                return ()
            raise StoreError(
                f"restic's repository of {self._name} cannot be read",
                why=f"{error.what}: {error.why}",
                next=f"restic -r {shell(repository.address)} snapshots",
            ) from None
        strays = []
        for each in found:
            ours = {tag for tag in each.get("tags") or () if restic.OWN_TAG.fullmatch(tag)}
            if ours and not ours & published:
                made = read_moment(str(each["time"]))
                what = f"snapshot {str(each['id'])[:8]} in {repository.address}"
                strays.append(Stray(what, made, {"tag": ours.pop()}))
        return strays


def _unreadable(root: Path) -> list[str]:
    if not root.exists():
        raise SourceError(f"{root} is not there", next=f"is its volume mounted? ls -ld {shell(str(root))}")
    refused: list[str] = []

    def note(error: OSError) -> None:
        refused.append(str(error.filename))

    for directory, _, files in os.walk(root, onerror=note):
        refused += [path for name in files if not _may_read(path := f"{directory}/{name}")]
    return sorted(refused)


def _may_read(path: str) -> bool:
    return os.access(path, os.R_OK, effective_ids=True, follow_symlinks=False)
