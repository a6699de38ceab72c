"""What a restored MongoDB database must satisfy beyond being equal to its source. Only reads."""

from collections.abc import Iterator, Sequence

from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import OperationFailure

from ops_pipelines.engines.base import Finding
from ops_pipelines.engines.mongodb.connection import Document
from ops_pipelines.engines.mongodb.judge import NOT_THE_BACKUP
from ops_pipelines.engines.mongodb.namespaces import Collection

_NAMED = 5
_FILES, _CHUNKS = ".files", ".chunks"


def assertions(database: "Database[Document]", collections: Sequence[Collection]) -> Iterator[Finding]:
    """Every collection agrees with its indexes, and every GridFS file has all its chunks."""
    stored = [each.data for each in collections if each.data is not None]
    yield _validated(database, stored)
    yield from _files_whole(database, stored)
    yield from _newest(database, stored)


def _validated(database: "Database[Document]", names: Sequence[str]) -> Finding:
    wrong = []
    for name in names:
        try:
            result = database.command("validate", name)
        except OperationFailure as error:
            if error.code in NOT_THE_BACKUP:
                raise
            wrong.append(f"{name}: {(error.details or {}).get('errmsg', error)}")
            continue
        if not result.get("valid"):
            wrong.append(f"{name}: {'; '.join(map(str, result.get('errors', ['not valid'])))}")
    return _finding("validate", wrong, f"{len(names)} collections agree with their indexes")


def _files_whole(database: "Database[Document]", names: Sequence[str]) -> list[Finding]:
    buckets = [name.removesuffix(_FILES) for name in names if name.endswith(_FILES)]
    buckets = [bucket for bucket in buckets if f"{bucket}{_CHUNKS}" in names]
    broken, count = [], 0
    for bucket in buckets:
        held = {
            each["_id"]: each["size"]
            for each in database[f"{bucket}{_CHUNKS}"].aggregate(
                [{"$group": {"_id": "$files_id", "size": {"$sum": {"$binarySize": "$data"}}}}]
            )
        }
        for file in database[f"{bucket}{_FILES}"].find({}, {"length": True, "filename": True}):
            count += 1
            if held.get(file["_id"], 0) != file.get("length"):
                broken.append(f"{bucket}: {file.get('filename', file['_id'])} has {held.get(file['_id'], 0)} bytes "
                              f"of {file.get('length')}")  # fmt: skip
    if not buckets:
        return []
    # The source may have lost a chunk long ago: then the backup is as good as it was.
    return [_finding("gridfs", broken, f"{count} files with all their chunks", attention=True)]


def _newest(database: "Database[Document]", names: Sequence[str]) -> Iterator[Finding]:
    """The newest document, by the time in the ids that drivers make; for people to see."""
    found = []
    for name in names:
        last = database[name].find_one({}, {"_id": True}, sort=[("_id", -1)])
        if last is not None and isinstance(last["_id"], ObjectId):
            found.append((last["_id"].generation_time, name))
    if found:
        moment, where = max(found)
        yield Finding("newest document", True, f"{moment:%Y-%m-%d %H:%M:%S} UTC in {where}")


def _finding(name: str, wrong: Sequence[str], well: str, *, attention: bool = False) -> Finding:
    more = f" … and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    detail = "; ".join(wrong[:_NAMED]) + more if wrong else well
    return Finding(name=name, passed=not wrong, detail=detail, attention=attention)
