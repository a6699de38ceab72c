"""The one tree of errors a user can meet, each with a message for a human.

An error says what failed, why, what is still safe and what to type next. Errors that belong
to one room (a broken YAML line, a corrupt part) subclass these where they are raised.
"""

from typing import NamedTuple

from ops_pipelines.redact import redact

INSTALL_NEWER = "install that version again, it is the one that worked here; ops --version shows this one"
"""The cure for what a newer version wrote."""


class Explanation:
    """Four sentences for a human, and how they are shown."""

    def __init__(self, what: str, *, why: str = "", safe: str = "", next: str = "") -> None:
        self.what, self.why, self.safe, self.next = (redact(text) for text in (what, why, safe, next))

    def __str__(self) -> str:
        labelled = (("why", self.why), ("safe", self.safe), ("next", self.next))
        # Lines of a tool's own error are set in, so that none of them reads as one of these.
        set_in = ((label, text.replace("\n", "\n    ")) for label, text in labelled if text)
        return "\n".join([self.what, *(f"  {label}: {text}" for label, text in set_in)])

    def as_dict(self) -> dict[str, str]:
        """The same four sentences for `--json`, metadata and alerts."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "why": self.why,
            "safe": self.safe,
            "next": self.next,
        }


class Recalled(NamedTuple):
    """What is known of an explanation that was recorded as it is shown: the cause in one line, and two sentences."""

    cause: str
    safe: str
    next: str


def recall(recorded: str | None) -> Recalled:
    """An explanation as it was recorded; what `Explanation.__str__` writes is read back here and nowhere else."""
    what, *lines = (recorded or "no reason was recorded").splitlines()
    labelled = {label: said for label, _, said in (line.strip().partition(": ") for line in lines)}
    cause = f"{what}: {labelled['why']}" if "why" in labelled else what
    return Recalled(cause, labelled.get("safe", ""), labelled.get("next", ""))


class OpsError(Explanation, Exception):
    """Something went wrong that a human has to know about.

    Args:
        what: what failed, and on which source or file.
        why: the cause, as far as it is known.
        safe: what is still safe ("the last verified backup is untouched").
        next: the command or change that gets the user on.
    """

    exit_status = 2

    def __init__(self, what: str, *, why: str = "", safe: str = "", next: str = "") -> None:
        super().__init__(what, why=why, safe=safe, next=next)
        self.args = (self.what,)


class Stopped(Explanation, KeyboardInterrupt):
    """Somebody stopped us, with Ctrl-C or SIGTERM. It is no failure, and nothing that handles failures may hold it up.

    Raised in the place of a KeyboardInterrupt by who knows more about what is left than that nothing is.
    """

    def __init__(
        self,
        what: str = "stopped; unfinished work was discarded",
        *,
        safe: str = "existing backups are untouched",
        next: str = "",
    ) -> None:
        super().__init__(what, safe=safe, next=next)
        self.args = (self.what,)


class SafetyRefusal(OpsError):
    """We could have done it, and refused because it might destroy or expose something."""

    exit_status = 3


class SourceError(OpsError):
    """A protected source could not be reached, read or dumped."""


class ToolMissing(OpsError):
    """No client or server program of a fitting version is installed."""


class StoreError(OpsError):
    """A store could not be read or written."""


class NewerFormat(StoreError):
    """A newer version of ops_pipelines wrote it. This one reads none of it, uses none of it, and leaves it alone."""

    def __init__(self, where: str, *, found: int, known: int) -> None:
        super().__init__(
            f"{where} was written by a newer version of ops_pipelines",
            why=f"its format has number {found}, and this version reads {known}",
            safe="it is unchanged: nothing uses, replaces or deletes it",
            next=INSTALL_NEWER,
        )


class CorruptCopy(OpsError):
    """A copy is not what its manifest says it is; `check` names the assertion that noticed."""

    def __init__(self, what: str, *, check: str, why: str = "", safe: str = "", next: str = "") -> None:
        super().__init__(what, why=why, safe=safe, next=next)
        self.check = check


class Busy(OpsError):
    """Another run holds the source; nothing was started."""


class Inconclusive(OpsError):
    """The verifier itself failed; nothing is known about the backup, which is not marked bad."""
