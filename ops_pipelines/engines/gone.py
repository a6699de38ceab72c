"""A server that went away in the middle of something: how to tell, and what to do about it."""

from ops_pipelines.process import CommandFailed

NEXT = "see in the server's log why it went away; when it is up again: ops backup"
# What clients of every engine say then; they are run in English.
_SAYINGS = (
    "server closed the connection", "terminating connection", "connection to server was lost", "lost connection",
    "server has gone away", "shutdown in progress", "connection was killed",
)  # fmt: skip


def advised(error: CommandFailed) -> CommandFailed:
    """The failure of a client program, with what to do where it lost its server."""
    if error.next or not any(each in error.why.lower() for each in _SAYINGS):
        return error
    return type(error)(error.what, why=error.why, next=NEXT, status=error.status)
