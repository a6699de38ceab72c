"""Whose fault is a refusal? A MongoDB server that refuses what MongoDB dumped condemns the backup.

SecantusDB lacks features: what it refuses leaves the backup unproved, and says which feature it was.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError

from ops_pipelines.engines.base import RestoreFailed
from ops_pipelines.engines.mongodb.connection import reason
from ops_pipelines.engines.mongodb.documents import TornDocument
from ops_pipelines.errors import Inconclusive

_DUPLICATE_KEY = 11000
NOT_THE_BACKUP = (
    8000, 14031, 11600, 11601, 11602, 50, 91, 189, 10107, 13435, 13, 18, 24, 146, 262,
)  # fmt: skip
"""Atlas's limits, no disk, shutting down, interrupted, no time, no primary, no rights, no lock, no memory."""


class Judge:
    """Decides who is to blame for what a server refuses.

    Args:
        stand_in: the server is SecantusDB.
    """

    def __init__(self, *, stand_in: bool) -> None:
        self._stand_in = stand_in

    @contextmanager
    def judging(self, what: str) -> Iterator[None]:
        """Translate what goes wrong with `what`."""
        try:
            yield
        except TornDocument as error:
            raise RestoreFailed(f"{what} cannot be read: {error.what}: {error.why}") from None
        except BulkWriteError as error:
            first = (error.details or {}).get("writeErrors", [{}])[0]
            self._refused(what, first.get("code"), str(first.get("errmsg", error)))
        except OperationFailure as error:
            self._refused(what, error.code, reason(error))
        except (AutoReconnect, PyMongoError) as error:
            raise inconclusive("the restore could not finish here", reason(error)) from None

    def refuse(self, what: str, why: str) -> None:
        """The server took something, and made something else of it. Raises RestoreFailed or Inconclusive."""
        self._refused(what, None, why)

    def _refused(self, what: str, code: int | None, why: str) -> None:
        if code in NOT_THE_BACKUP:
            raise inconclusive(f"the server could not take {what}", why) from None
        if self._stand_in and code != _DUPLICATE_KEY:
            raise inconclusive(f"SecantusDB stands in for MongoDB here, and lacks {what}", why) from None
        suffix = "" if code is None else f" (code {code})"
        raise RestoreFailed(f"the server refused {what}: {why}{suffix}") from None


def inconclusive(what: str, why: str) -> Inconclusive:
    """The server is the reason why nothing is proved."""
    return Inconclusive(
        what,
        why=why,
        safe="the backup is not marked bad",
        next="install MongoDB's mongod on the machine that verifies, then: ops verify",
    )
