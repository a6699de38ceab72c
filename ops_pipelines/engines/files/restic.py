"""Run restic: where it is found, what it is told, and what its failures mean.

restic 0.14 exits with 1 for a missing repository, a wrong password and a damaged pack alike: there, what happened is
read from what it says. Newer ones have a status for most of it, which counts more than words:
https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
Passwords and addresses travel by environment, since an address may hold credentials.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from ops_pipelines import durable
from ops_pipelines.errors import ToolMissing
from ops_pipelines.limits import advice, describe
from ops_pipelines.process import CommandFailed, CommandTimedOut, Completed, Limits, Running, run, running
from ops_pipelines.repository import Repository
from ops_pipelines.streams import Progress
from ops_pipelines.text import shell

T = TypeVar("T")
Kind = Literal[
    "full", "password", "missing", "unreached", "locked", "interrupted", "snapshot", "damaged", "kept", "other"
]

# The first that matches counts: a full disk also leaves short files, a wrong password also opens no config.
_SAID: Sequence[tuple[Kind, str]] = (
    ("full", r"no space left on device|disk quota exceeded"),
    ("password", r"wrong password or no key found"),
    # restic asks this whenever it cannot open a repository: that there is none is said by whoever was to give it.
    (
        "missing",
        r"(no such file or directory|not a directory|does not exist|not found|\(404\)).*\n?Is there a repository at",
    ),
    ("unreached", r"Is there a repository at"),
    (
        "unreached",
        r"connection refused|connection reset|broken pipe|i/o timeout|no route to host|network is unreachable",
    ),
    ("locked", r"already locked"),
    ("snapshot", r"failed to load snapshot \S+: "),
    # Older ones say of a damaged key no more than that they cannot read it, and nothing is known of the rest.
    ("other", r"Load(Raw)?\(<key/"),
    ("damaged", r"Error loading snapshot|load <|Load\(<|ReadFull\(<|StreamPack"),
    ("snapshot", r"no snapshot found|no matching ID found"),
    (
        "damaged",
        r"ciphertext verification failed|decrypting blob .* failed|nonce is invalid|invalid data returned|is damaged",
    ),
    ("damaged", r"not found in repository|(tree|blob) .* not found|not referenced in any index|unexpected EOF"),
    ("damaged", r"does not match|contains errors"),
)
_INCOMPLETE = 3
NOT_SAID = -1
# Since 0.17, except for 3, which older ones know too. 2 is a crash of restic itself, 130 an interrupt.
# Where in its program an error arose; what it was stands above.
_STACK = re.compile(r"\t|(github\.com|golang\.org|runtime|main|os|io|sync)[./][\w./()*-]+$")
_STATUS: Mapping[int, Kind] = {10: "missing", 11: "locked", 12: "password", 130: "interrupted"}
_ANSWERS = (0, 1, _INCOMPLETE, *_STATUS)
_RETRIED_IN_VAIN = re.compile(r"Load\(<data/.*(no such file or directory|does not exist|\(404\))")
# Its own locks are another matter: a lock that stays is told by who meets it.
_REMOVED_IN_VAIN = re.compile(r"Remove\(<(snapshot|index|data|pack).*(not permitted|denied|read-only|forbidden)", re.I)
_UNKNOWN = re.compile("no matching ID found")
_PASSED_OVER = re.compile(r'no matching ID found|^Ignoring "', re.MULTILINE)
_OLDEST = (0, 14)
OWN_TAG = re.compile(r"ops-[0-9a-f]{16}")
"""The tag that each snapshot of ours has alone."""
_TICK = 64 * 1024
_LOOK_AGAIN_S = 1.0


class ResticFailed(CommandFailed):
    """restic refused or broke off; `kind` says why, as far as it told."""

    def __init__(self, what: str, *, kind: Kind, why: str, status: int | None, next: str = "") -> None:
        super().__init__(what, why=why, status=status, next=next)
        self.kind = kind


@dataclass(frozen=True)
class Summary:
    """What `restic backup` said at its end.

    Attributes:
        unread: the paths it could not read, with the error number (errno) of each; `NOT_SAID` for one that it did not
            name, 0 where it gave no number.
    """

    snapshot: str
    files: int
    size_bytes: int
    unread: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Restic:
    """restic on one repository.

    Args:
        password: of the repository.
        cache: a private directory for its cache, gone when the caller is done; None works without.
        patience: how long to wait for a living process that has locked the repository.
    """

    program: Path
    repository: Repository
    password: str = field(repr=False)
    limits: Limits
    cache: Path | None = None
    patience: timedelta = timedelta(0)

    def run(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        moved: Callable[[int], None] | None = None,
    ) -> Completed:
        """Run a command to its end; a lock in its way is dealt with as `_when_free` says.

        Args:
            moved: told how many bytes it has read and written; then it may also be long without an end.
        Raises:
            ResticFailed, CommandTimedOut.
        """
        given = env or {}
        return self._when_free(lambda: self._run(words, given, cwd, moved), given)

    def _when_free(self, act: Callable[[], T], env: Mapping[str, str]) -> T:
        """Do it; while the repository is locked, remove the locks of the dead, wait for the living, and try again.

        Raises:
            ResticFailed: of kind `locked` when a living process holds it for longer than `patience`.
        """
        tries, deadline = 0, time.monotonic() + self.patience.total_seconds()
        while True:
            try:
                return act()
            except ResticFailed as error:
                if error.kind != "locked":
                    raise
                if tries and time.monotonic() >= deadline:
                    raise self._still_locked(error, env) from None
            if tries:
                time.sleep(_LOOK_AGAIN_S)
            tries += 1
            for each in self._used_by(env):
                self.unlock(each)

    def unlock(self, env: Mapping[str, str] | None = None) -> None:
        """Remove the locks whose process is known to be dead; one that cannot be removed meets whoever works next."""
        with suppress(ResticFailed):
            # Without --remove-all: those of this machine without a process, and those not renewed for half an hour.
            self._run(("unlock",), env or {}, None, None)

    def _used_by(self, env: Mapping[str, str]) -> list[Mapping[str, str]]:
        """The environments of the repositories that a command locks: this one, and the one that it copies from."""
        if "RESTIC_FROM_REPOSITORY" not in env:
            return [env]
        origin = {"RESTIC_REPOSITORY": env["RESTIC_FROM_REPOSITORY"], "RESTIC_PASSWORD": env["RESTIC_FROM_PASSWORD"]}
        return [env, {**env, **origin}]

    def _still_locked(self, error: ResticFailed, env: Mapping[str, str]) -> ResticFailed:
        """The same, with how long it was waited for and what to type when its holder is not alive any more."""
        addresses = [each.get("RESTIC_REPOSITORY", self.repository.address) for each in self._used_by(env)]
        typed = "; ".join(f"restic -r {shell(address)} unlock --remove-all" for address in addresses)
        waited = f"; waited {describe(self.patience)}" if self.patience else ""
        return ResticFailed(
            error.what,
            kind="locked",
            why=f"{error.why}{waited}",
            status=error.status,
            next="wait until that process has ended, then this again; if it died with its machine, its lock is removed "
            f"by itself half an hour later, or at once by: {typed}",
        )

    def _run(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        cwd: Path | None,
        moved: Callable[[int], None] | None,
    ) -> Completed:
        answers = "--json" in words
        with running(
            self._argv(words),
            limits=self.limits,
            env={**self._environment(), **env},
            cwd=cwd,
            stdout=subprocess.PIPE if answers else subprocess.DEVNULL,
        ) as command:
            printed = b"".join(iter(command.read, b"")) if answers else b""
            done = command.finish(accept=_ANSWERS, alive=None if answers else lambda: _pulse(words[0], command, moved))
        # `copy` passes over a snapshot that it does not find, with a word and status 0; a list may be of the others.
        passed_over = _PASSED_OVER if words[0] == "copy" else _UNKNOWN
        if done.status != 0 or passed_over.search(done.stderr):
            raise failure(words[0], done.stderr, done.status)
        return Completed(stdout=printed, stderr=done.stderr, status=0)

    def backup(self, words: Sequence[str], progress: Progress, cwd: Path | None = None) -> Summary:
        """`restic backup`, its progress told; an incomplete snapshot is returned with what could not be read.

        Raises:
            ResticFailed, CommandTimedOut: there is no snapshot.
        """
        return self._when_free(lambda: self._backup(words, progress, cwd), {})

    def _backup(self, words: Sequence[str], progress: Progress, cwd: Path | None) -> Summary:
        argv = self._argv(("backup", "--json", *words))
        summary: dict[str, Any] | None = None
        with running(argv, limits=self.limits, env=self._environment(), cwd=cwd) as command:
            for message in _messages(command, self.limits.stall):
                if message.get("message_type") == "summary":
                    summary = message
                elif message.get("message_type") == "status":
                    progress("snapshot", message.get("bytes_done", 0), message.get("total_bytes"))
            done = command.finish(accept=_ANSWERS)
        if done.status not in (0, _INCOMPLETE) or summary is None:
            raise failure("backup", done.stderr, done.status)
        unread = tuple(_unread(done.stderr))
        if done.status == _INCOMPLETE and not unread:
            unread = (("(restic did not say which)", NOT_SAID),)
        return Summary(
            snapshot=self._full_id(str(summary["snapshot_id"])),
            files=int(summary["total_files_processed"]),
            size_bytes=int(summary["total_bytes_processed"]),
            unread=unread,
        )

    def snapshots(self, *words: str) -> list[dict[str, Any]]:
        """The repository's snapshots. Raises ResticFailed."""
        found: list[dict[str, Any]] | None = json.loads(self.run("snapshots", "--json", *words).stdout)
        return found or []

    def is_whole(self, snapshot: str) -> bool:
        """Whether the index has everything that a snapshot needs; no content is read. Raises ResticFailed."""
        try:
            self.run("stats", "--mode", "raw-data", "--", snapshot)
        except ResticFailed as error:
            if error.kind not in ("damaged", "snapshot"):
                raise
            return False
        return True

    def ls(self, snapshot: str) -> dict[str, dict[str, Any]]:
        """What a snapshot holds by path; bytes that are not UTF-8 are U+FFFD. Raises ResticFailed."""
        lines = self.run("ls", "--json", "--", snapshot).stdout.splitlines()
        nodes = (json.loads(line) for line in lines)
        return {node["path"]: node for node in nodes if node.get("struct_type") == "node"}

    def repository_id(self) -> str:
        """The repository's id, once a command has filled the cache: restic names a directory there after it."""
        assert self.cache is not None
        return next((each.name for each in self.cache.iterdir() if re.fullmatch("[0-9a-f]{64}", each.name)), "")

    def _full_id(self, short: str) -> str:
        """The whole id of a snapshot just made: its file lies in the cache, and asking would cost another second."""
        found = self.cache.glob(f"*/snapshots/*/{short}*") if self.cache is not None else ()
        return next((path.name for path in found), short)

    def _argv(self, words: Sequence[str]) -> list[str | Path]:
        options = [] if self.cache is not None else ["--no-cache"]
        if read_only(self.repository.address):
            options.append("--no-lock")  # nobody can write there, and a lock is a file
        return [self.program, *self.repository.options, *options, *words]

    def _environment(self) -> dict[str, str]:
        cached = {"RESTIC_CACHE_DIR": str(self.cache)} if self.cache is not None else {}
        return {
            **self.repository.environment,
            **cached,
            "RESTIC_REPOSITORY": self.repository.address,
            "RESTIC_PASSWORD": self.password,
            "RESTIC_PROGRESS_FPS": "4",
            "TZ": "UTC",
        }


def keep_names(repository: Repository) -> None:
    """Put the folders of a new repository on the disk: restic flushes what it puts into them, and not them."""
    if repository.address.startswith("/"):
        durable.flush_names(Path(repository.address))


def read_only(address: str) -> bool:
    """Whether a repository is a directory that cannot be written: its disk is mounted so, on a bad day."""
    return os.path.isdir(address) and not os.access(address, os.W_OK | os.X_OK)  # noqa: PTH112 (a URL is no path)


def find(bin_dirs: Sequence[Path]) -> Path:
    """The restic program. Raises ToolMissing."""
    where = os.pathsep.join([*map(str, bin_dirs), os.environ.get("PATH", os.defpath)])
    found = shutil.which("restic", path=where)
    if found is None:
        raise ToolMissing(
            "restic is not installed",
            why=f"looked in {where}",
            safe="existing backups are untouched",
            next="install restic 0.14 or newer (Debian: apt-get install restic), or name its folder in bin_dirs",
        )
    if numbers(version(Path(found))) < _OLDEST:
        raise ToolMissing(
            f"{found} is restic {version(Path(found))}, which cannot copy between repositories as it has to",
            next="install restic 0.14 or newer",
        )
    return Path(found)


@cache
def version(program: Path) -> str:
    """Its version, as it says itself."""
    limit = timedelta(seconds=30)
    words = run([program, "version"], limits=Limits(stall=limit, total=limit)).stdout.decode(errors="replace").split()
    return words[1] if len(words) > 1 else ""


def numbers(text: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def failure(verb: str, said: str, status: int | None) -> ResticFailed:
    """The failure that restic's status means, or its words where the status says no more than that it failed."""
    by_words: Kind = next((kind for kind, pattern in _SAID if re.search(pattern, said)), "other")
    kind = _STATUS.get(status or 0, by_words)
    lines = [line for line in said.splitlines() if line.strip() and not _STACK.match(line)]
    return ResticFailed(f"restic {verb}: {_MEANS[kind]}", kind=kind, why="\n".join(lines[-4:]), status=status)


_MEANS: Mapping[Kind, str] = {
    "full": "the disk is full",
    "password": "the password does not open the repository",
    "missing": "there is no repository",
    "unreached": "the repository cannot be reached",
    "locked": "the repository is locked by another process",
    "interrupted": "it was interrupted",
    "snapshot": "the snapshot is not in the repository",
    "damaged": "the repository is damaged",
    "kept": "nothing may be removed from the repository",
    "other": "it failed",
}


def _messages(command: Running, stall: timedelta) -> Iterator[dict[str, Any]]:
    """restic's JSON lines. It prints its status even while a dead mount holds it: progress is what counts."""
    rest, seen, changed_at = b"", (-1, -1), time.monotonic()
    while chunk := command.read():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                message = json.loads(line)
                if message.get("message_type") == "status":
                    now_at = (message.get("bytes_done", 0), message.get("files_done", 0))
                    if now_at != seen:
                        seen, changed_at = now_at, time.monotonic()
                yield message
        if time.monotonic() - changed_at > stall.total_seconds():
            command.kill()
            raise CommandTimedOut(
                f"restic read nothing for {describe(stall)} and was stopped",
                why=command.stderr_tail(),
                next=advice(stall),
            )


def _unread(said: str) -> Iterator[tuple[str, int]]:
    for line in said.splitlines():
        with suppress(ValueError, AttributeError):
            message = json.loads(line)
            if message.get("message_type") == "error":
                error = message.get("error")
                number = error.get("Err", 0) if isinstance(error, dict) else 0
                yield str(message.get("item", "")), number if isinstance(number, int) else 0


def _pulse(verb: str, command: Running, moved: Callable[[int], None] | None) -> int:
    """A number that changes while restic moves data.

    A pack that is gone is tried again for a minute each, and what may not be removed for a quarter of an hour; neither
    will change.
    """
    said = command.stderr()
    if len(_RETRIED_IN_VAIN.findall(said)) > 1:
        raise failure("restore", said, None)
    if len(_REMOVED_IN_VAIN.findall(said)) > 1:
        raise ResticFailed(
            f"restic {verb}: {_MEANS['kept']}", kind="kept", why=said.strip().splitlines()[-1], status=None
        )
    done = 0
    with suppress(OSError, ValueError):
        counted = dict(line.split(": ") for line in Path(f"/proc/{command.pid}/io").read_text("ascii").splitlines())
        if moved is not None:
            moved(int(counted["wchar"]))
        done = int(counted["rchar"]) + int(counted["wchar"])
    return done // _TICK
