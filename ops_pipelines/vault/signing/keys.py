"""The keys of this installation: who it is, what it signs with, and whose signatures it believes.

Below `base/keys`: `installation.json` says who we are, `signing.key` is the key in use, `trusted` has the public keys
whose signatures are ours, one a line: the one in use and every one that was used before. They are made when the first
thing is signed, or a recovery kit is written; who only reads makes nothing.
"""

import json
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from ops_pipelines import durable, lease, stopping
from ops_pipelines.clock import read_moment
from ops_pipelines.errors import OpsError
from ops_pipelines.vault.signing.minisign import PublicKey, Signer, open_signer

INSTALLATION, SIGNING, TRUSTED = "installation.json", "signing.key", "trusted"
_LOST = "restore it from the recovery kit: ops key import opened; or make a new one: ops key new"
_ID = re.compile(r"[0-9a-f]{32}")
_WAIT = timedelta(seconds=30)


@dataclass(frozen=True)
class Installation:
    """Who signs here.

    Attributes:
        id: 32 hexadecimal digits, made once.
        name: the host it was made on, for people.
        former: ids under which something was signed here before it took over the keys of another.
    """

    id: str
    name: str
    created: datetime
    former: Sequence[str] = ()

    @property
    def ids(self) -> frozenset[str]:
        """Every id that is ours."""
        return frozenset({self.id, *self.former})

    def to_bytes(self) -> bytes:
        """The file's content."""
        created = f"{self.created:%Y-%m-%dT%H:%M:%SZ}"
        document = {"id": self.id, "name": self.name, "created": created, "former": list(self.former)}
        return (json.dumps(document, indent=1) + "\n").encode()


class Keys:
    """The keys in a directory; read anew when another process has changed them.

    Args:
        directory: `base/keys`.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._read: tuple[object, Installation | None, Mapping[bytes, PublicKey]] = (None, None, {})

    @property
    def installation(self) -> Installation | None:
        """Who we are; None before anything was signed here. Raises OpsError."""
        return self._current()[0]

    @property
    def trusted(self) -> Mapping[bytes, PublicKey]:
        """The public keys whose signatures are ours, by their numbers. Raises OpsError."""
        return self._current()[1]

    def signer(self, now: datetime) -> tuple[Installation, Signer]:
        """Who signs, and with what; made at first use. Raises OpsError."""
        path = self.directory / SIGNING
        if not path.exists() and self.trusted:
            raise OpsError(
                f"the signing key {path} is gone", why="something was signed with it before", next=_LOST,
                safe="restore points that were signed with it stay valid",
            )  # fmt: skip
        signer = open_signer(path, lost=_LOST)
        try:
            if not (self.directory / INSTALLATION).exists():
                self._name(now)
            if signer.number not in self.trusted:
                self._trust(signer.verifier, now)
        except OSError as error:
            raise self._unwritable(error) from None
        installation = self.installation
        assert installation is not None
        return installation, signer

    def rotate(self, now: datetime) -> Signer:
        """A new key from now on; what was signed before stays valid. Raises OpsError."""
        self.signer(now)
        return self._replace(now)

    def renew(self, now: datetime) -> Signer:
        """A new key after the old one was lost; what is trusted stays so. Raises OpsError."""
        return self._replace(now)

    def take_over(self, kept: Path, now: datetime) -> Installation:
        """Become the installation whose keys lie in a directory: of a kit that was opened. Raises OpsError.

        Keys that are trusted here stay trusted.
        """
        other = Keys(kept)
        installation, trusted = other.installation, other.trusted
        signer = open_signer(kept / SIGNING, lost=_LOST) if (kept / SIGNING).exists() else None
        if installation is None or signer is None:
            raise OpsError(
                f"{kept} holds no signing key",
                why=f"there is no {INSTALLATION} or no {SIGNING}",
                safe="nothing was changed",
                next="open a kit first: sh recover.sh open opened; then: ops key import opened/signing",
            )
        try:
            for key in trusted.values():
                if key.number not in self.trusted:
                    self._trust(key, now)
            ours = self.installation
            former = {*installation.former, *(ours.ids if ours is not None else ())} - {installation.id}
            installation = replace(installation, former=sorted(former))
            durable.write(self.directory / SIGNING, (kept / SIGNING).read_bytes())
            durable.write(self.directory / INSTALLATION, installation.to_bytes())
        except OSError as error:
            raise self._unwritable(error) from None
        self.signer(now)
        return installation

    def for_openssl(self) -> bytes:
        """The trusted keys for `recover.sh`, one a line: number in hexadecimal, the key in base64."""
        return "".join(f"{key.for_openssl}\n" for key in self.trusted.values()).encode()

    def files(self) -> dict[str, bytes]:
        """What a recovery kit has to carry, by name; nothing before anything was signed."""
        names = (INSTALLATION, SIGNING, TRUSTED)
        return {name: path.read_bytes() for name in names if (path := self.directory / name).is_file()}

    def _replace(self, now: datetime) -> Signer:
        path = self.directory / SIGNING
        fresh = path.with_name(f".{SIGNING}.{secrets.token_hex(4)}")
        try:
            with stopping.ending(lambda: fresh.unlink(missing_ok=True)):
                signer = open_signer(fresh, lost=_LOST)
                if not (self.directory / INSTALLATION).exists():
                    self._name(now)
                # Trusted before it signs anything.
                self._trust(signer.verifier, now)
                fresh.rename(path)
                durable.flush(path.parent)
        except OSError as error:
            raise self._unwritable(error) from None
        return signer

    def _name(self, now: datetime) -> None:
        name = re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)[:63] or "host"
        path = self.directory / INSTALLATION
        content = Installation(secrets.token_hex(16), name, now).to_bytes()
        with durable.written_beside(path, content) as unfinished, suppress(FileExistsError):
            path.hardlink_to(unfinished)  # of two first runs, one wins
        durable.flush(path.parent)

    def _trust(self, key: PublicKey, now: datetime) -> None:
        path = self.directory / TRUSTED
        # Of two who add one at once, neither may forget the other's: what it signed would be a stranger's for ever.
        with lease.exclusive(path.with_name(f".{TRUSTED}.lock"), holder="new key", wait=_WAIT, what=f"{path}"):
            known = path.read_bytes() if path.exists() else b""
            durable.write(path, known + f"{key.line} {key.name} since {now:%Y-%m-%d}\n".encode())

    def _current(self) -> tuple[Installation | None, Mapping[bytes, PublicKey]]:
        paths = [self.directory / INSTALLATION, self.directory / TRUSTED]
        stamp = [_stamp(path) for path in paths]
        if self._read[0] != stamp:
            try:
                self._read = (stamp, _installation(paths[0]), _public_keys(paths[1]))
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise OpsError(
                    f"the keys in {self.directory} cannot be read", why=str(error), next=_LOST,
                    safe="no backup was touched",
                ) from None  # fmt: skip
        return self._read[1], self._read[2]

    def _unwritable(self, error: OSError) -> OpsError:
        return OpsError(
            f"the keys in {self.directory} cannot be written",
            why=f"{error.strerror or error}",
            safe="no backup was touched",
            next=f"make it writable for this user: ls -ld {self.directory}; df -h {self.directory}",
        )


def _installation(path: Path) -> Installation | None:
    if not path.exists():
        return None
    document = json.loads(path.read_bytes())
    former = [str(each) for each in document.get("former", ())]
    if not all(_ID.fullmatch(each) for each in (document["id"], *former)):
        raise ValueError(f"{path}: an id is no 32 hexadecimal digits")
    created = read_moment(document["created"])
    return Installation(document["id"], str(document["name"]), created, former)


def _public_keys(path: Path) -> Mapping[bytes, PublicKey]:
    if not path.exists():
        return {}
    lines = [line for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
    return {key.number: key for key in (PublicKey.read(line.split()[0]) for line in lines)}


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
