"""How far an application's own migrations had got, read from the documents of the collection that its tool keeps."""

from bson import decode_all
from bson.errors import BSONError

from ops_pipelines.engines.mongodb.connection import RAW_SAFE
from ops_pipelines.proof import Gap

# The tool, by its collection's usual name: what a migration is called, and when it was applied.
_TOOLS = {
    "mongockChangeLog": ("mongock", "changeId", "timestamp"),
    "dbchangelog": ("mongobee", "changeId", "timestamp"),
    "changelog": ("migrate-mongo", "fileName", "appliedAt"),
}


class Heads:
    """What the migration tools of a database say, gathered from the documents that pass by."""

    def __init__(self) -> None:
        self._applied: dict[str, list[tuple[str, str]]] = {}
        self._unread: dict[str, str] = {}

    def start(self, collection: str) -> None:
        """A collection is read from its beginning, perhaps once more."""
        self._applied.pop(collection, None)

    def add(self, collection: str, batch: bytes) -> None:
        """Take in some whole documents of a collection; those of no tool cost nothing."""
        if collection in _TOOLS:
            _tool, name, at = _TOOLS[collection]
            applied = self._applied.setdefault(collection, [])
            try:
                applied += [(str(each.get(at)), str(each.get(name))) for each in decode_all(batch, RAW_SAFE)]
            except BSONError as error:
                self._unread[collection] = str(error)

    def found(self) -> dict[str, str]:
        """How many migrations were applied and which was the last, by tool and collection."""
        return {
            f"{_TOOLS[collection][0]} {collection}": f"{len(applied)} up to {max(applied)[1]}"
            for collection, applied in self._applied.items()
            if applied and collection not in self._unread
        }

    def gaps(self) -> tuple[Gap, ...]:
        """The tools whose documents could not be understood."""
        return tuple(Gap(what=f"migrations in {name}", why=why) for name, why in sorted(self._unread.items()))
