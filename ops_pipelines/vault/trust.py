"""What of all that lies in a store is ours: told apart before the first byte of it is parsed.

Whoever can write to a store can put files there. A restore point or a verdict is believed when its signature is by one
of our keys, is over exactly these bytes, and says that they are of this installation, this source, this id. What the
ledger knows of a restore point must agree. Everything else is a stranger: shown, and used by nothing.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ops_pipelines.clock import Clock, SystemClock, moment_of
from ops_pipelines.errors import OpsError
from ops_pipelines.vault.guests import Guest, Guests
from ops_pipelines.vault.manifest import Manifest, read_manifest
from ops_pipelines.vault.signing.keys import Keys
from ops_pipelines.vault.signing.minisign import BadSignature, Signature
from ops_pipelines.vault.verdict import Verdict, read_verdict

SUFFIX = ".minisig"
Standing = Literal["unsigned", "foreign", "forged", "replayed", "re-dated", "missing"]
WORDS: Mapping[Standing, str] = {
    "unsigned": "has no signature",
    "foreign": "belongs to another installation",
    "forged": "is not what was signed",
    "replayed": "was signed as another restore point",
    "re-dated": "has a different time than its id",
    "missing": "was published and is in no store",
}
ALARMING: Sequence[Standing] = ("forged", "replayed", "re-dated")
"""What no mistake explains: somebody wrote it, or a disk did."""
_COMMENT = re.compile(r"ops_pipelines (point|verdict)((?: [a-z]+=[\w.:-]+)+)", re.ASCII)


class Untrusted(OpsError):
    """What was found is not ours, and is not used.

    Attributes:
        standing: what it is instead.
        claimed: what its signature says, checked or not.
    """

    def __init__(self, what: str, *, standing: Standing, claimed: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what, why=why, safe="it was not used", next=next)
        self.standing, self.claimed = standing, claimed


@dataclass(frozen=True)
class Sealed:
    """Bytes of a store and the signature that lies beside them, if one does. Nothing of it is parsed.

    Attributes:
        sums: of a restore point, the content of `SHA256SUMS`.
    """

    content: bytes
    signature: bytes | None
    sums: bytes = b""

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Published:
    """What the ledger knows of a restore point.

    Attributes:
        number: none of one from before signatures.
        stores: which must still have it: it was put there, and no prune removed it.
    """

    sha256: str
    number: int | None
    stores: frozenset[str] = frozenset()

    @property
    def kept(self) -> bool:
        """Whether any store must still have it."""
        return bool(self.stores)


Known = Mapping[str, Published] | None
"""What the ledger knows of a source's restore points, by id; None when it cannot be asked."""


@dataclass(frozen=True)
class Found:
    """A copy whose signature is ours.

    Attributes:
        incomplete: which part of it is missing, or has another size, in words.
        turn: see `Trust.turn`.
    """

    store: str
    manifest: Manifest
    number: int
    sha256: str
    incomplete: str = ""
    turn: int | None = None

    @property
    def counted(self) -> tuple[int, bool]:
        """Its number, and among which: two that count give the same ones."""
        return self.number, self.turn is not None


@dataclass(frozen=True)
class Stranger:
    """A copy, or a verdict, that is not used.

    Attributes:
        store: where it lies; empty for what is missing everywhere.
        name: of a verdict, its file.
        why: one sentence.
        sha256: of the manifest's bytes.
        claimed: what its signature says of itself.
    """

    standing: Standing
    source: str
    id: str
    store: str
    why: str
    sha256: str = ""
    claimed: str = ""
    name: str = ""

    @property
    def words(self) -> str:
        """How it is told."""
        what = f"the verdict {self.name} on {self.id}" if self.name else self.id
        where = f" in {self.store}" if self.store else ""
        return f"{what} of {self.source}{where} {WORDS[self.standing]}: {self.why}"


class Trust:
    """Signs what this installation makes, and says what of a store it made.

    Args:
        keys: of the installation.
        clock: for the date at which a key is made.
        guests: who else is believed, each for its sources alone, and for restore points alone: proofs are our own.
    """

    def __init__(self, keys: Keys, clock: Clock | None = None, guests: Guests | None = None) -> None:
        self.keys, self._clock = keys, clock or SystemClock()
        self.guests: Guests = guests or {}

    @property
    def installation_id(self) -> str:
        """Ours; made when there is none yet. Raises OpsError."""
        return self.keys.signer(self._clock.now())[0].id

    def sign_point(self, content: bytes, *, source: str, backup_id: str, number: int) -> bytes:
        """The signature of a manifest. Raises OpsError."""
        return self._signed(content, "point", source=source, id=backup_id, number=str(number))

    def sign_verdict(self, content: bytes, verdict: Verdict) -> bytes:
        """The signature of a verdict with its number. Raises OpsError."""
        names = {"source": verdict.source, "id": verdict.backup_id, "store": verdict.store}
        return self._signed(content, "verdict", **names, number=str(verdict.number))

    def for_openssl(self) -> bytes:
        """Every believed key for `recover.sh`, one a line; that of another installation with a source that it takes."""
        theirs = sorted((name, guest.keys) for name, guest in self.guests.items())
        lines = [f"{key.for_openssl} {name}\n" for name, keys in theirs for key in keys.values()]
        return self.keys.for_openssl() + "".join(lines).encode()

    def open_point(self, sealed: Sealed, source: str, backup_id: str, *, where: str) -> tuple[Manifest, int]:
        """The manifest in these bytes and its number, once they are known to be ours.

        Args:
            where: where they were found, for the error.
        Raises:
            Untrusted: they are not. Nothing was parsed then.
            NewerFormat: they are, and a newer version wrote them.
            CorruptCopy: they are, and cannot be read.
        """
        guest = self.guests.get(source)
        said = self._checked(sealed, "point", where=where, next=_cure(source), guest=guest)
        _compare(where, said, {"source": source, "id": backup_id})
        number = int(said["number"])
        manifest = read_manifest(sealed.content, where=where)
        # One that was taken over has the number that its first installation gave it.
        own = manifest.number if manifest.installation == said["installation"] else number
        if (manifest.source, manifest.id, own) != (source, backup_id, number):
            raise Untrusted(
                f"{where} holds {manifest.id} of {manifest.source}",
                standing="replayed",
                why=f"it is number {manifest.number}, and lies where {backup_id} of {source} belongs",
            )
        if guest is not None and said["installation"] == guest.id != manifest.installation:
            raise Untrusted(
                f"{where} says that another installation made it than the one that signed it",
                standing="replayed", why=f"{guest.name} is believed for what it has made itself",
            )  # fmt: skip
        with suppress(ValueError):
            if manifest.started_at >= moment_of(backup_id) + timedelta(seconds=1):
                raise Untrusted(
                    f"{where} says that its dump started {manifest.started_at:%Y-%m-%d %H:%M:%S} UTC",
                    standing="re-dated",
                    why="that is after its id was given",
                )
        return manifest if manifest.number == number else manifest.model_copy(update={"number": number}), number

    def open_verdict(self, sealed: Sealed, source: str, backup_id: str, *, where: str) -> Verdict:
        """The verdict in these bytes, once they are known to be ours.

        Raises Untrusted, CorruptCopy, NewerFormat.
        """
        said = self._checked(sealed, "verdict", where=where, next=_cure(source))
        _compare(where, said, {"source": source, "id": backup_id})
        verdict = read_verdict(sealed.content, where=where)
        _compare(where, said, {"source": verdict.source, "id": verdict.backup_id, "store": verdict.store})
        return verdict.model_copy(update={"number": int(said["number"])})

    def _signed(self, content: bytes, what: str, **facts: str) -> bytes:
        installation, signer = self.keys.signer(self._clock.now())
        said = {"installation": installation.id, "host": installation.name, **facts}
        comment = f"ops_pipelines {what} " + " ".join(f"{name}={value}" for name, value in said.items())
        if not _COMMENT.fullmatch(comment):
            raise OpsError(f"this cannot be signed: {comment!r}", why="a name in it has characters that no name has")
        return signer.sign(content, comment=comment).encode()

    def turn(self, source: str, manifest: Manifest, number: int) -> int | None:
        """The place of a restore point among those of its source that were counted; None where its time gives it.

        Where another installation takes a source, what we took before has its place by time: two count there.
        """
        guest = self.guests.get(source)
        counted = manifest.adopted_from is None and manifest.number == number
        return number if counted and (guest is None or manifest.installation == guest.id) else None

    def _checked(
        self, sealed: Sealed, what: str, *, where: str, next: str, guest: Guest | None = None
    ) -> Mapping[str, str]:
        """What the signature says, once it is known to be by a believed key and over these bytes. Raises Untrusted."""
        if sealed.signature is None:
            raise Untrusted(
                f"{where} has no signature", standing="unsigned", next=next,
                why="it is from before signatures, or somebody else put it there",
            )  # fmt: skip
        try:
            signature = Signature.read(sealed.signature)
        except BadSignature as error:
            raise Untrusted(f"{where} has an invalid signature", standing="forged", why=str(error)) from None
        said = _facts(signature.comment, what)
        claimed = _claim(said)
        ours = self.keys.trusted.get(signature.number)
        theirs = guest.keys.get(signature.number) if guest is not None else None
        key = ours or theirs
        if key is None:
            raise Untrusted(
                f"{where} is signed with a key that is not ours", standing="foreign", claimed=claimed,
                why=f"key {signature.number[::-1].hex().upper()}{claimed and f', {claimed}'}", next=next,
            )  # fmt: skip
        try:
            signature.check(key, sealed.content)
        except BadSignature as error:
            raise Untrusted(f"{where} is not what was signed", standing="forged", why=str(error)) from None
        if not said.get("number", "").isdecimal():
            raise Untrusted(f"{where} is signed as something else", standing="replayed", why=f"no {what} of ours")
        if said.get("installation") not in self._believed(guest if ours is None else None):
            raise Untrusted(
                f"{where} is of another installation", standing="foreign", claimed=claimed, why=claimed, next=next
            )
        return said

    def _believed(self, guest: Guest | None) -> frozenset[str]:
        """The ids that a signature may say: the guest's for a key of its, else ours."""
        if guest is not None:
            return frozenset({guest.id})
        installation = self.keys.installation
        return installation.ids if installation is not None else frozenset()


def separate_strangers(
    found: Sequence[Found], published: Mapping[str, Published], source: str, present: frozenset[str], *, whole: bool
) -> tuple[list[Found], list[Stranger]]:
    """Which copies with our signature are what they should be among the others, and to the ledger.

    Args:
        published: what the ledger knows, by id.
        present: ids of everything that was found, strangers too.
        whole: every store could be read, so that what was not found is nowhere.
    """
    digests: dict[tuple[int, bool], set[str]] = {}
    for each in found:
        digests.setdefault(each.counted, set()).add(each.sha256)
    kept, strangers = [], []
    for each in found:
        known = published.get(each.manifest.id)
        why = ""
        if known is not None and known.sha256 != each.sha256:
            why = f"its SHA-256 is {each.sha256[:16]}…, and {known.sha256[:16]}… was published"
        elif known is not None and known.number is not None and known.number != each.number:
            why = f"it is number {each.number}, and number {known.number} was published"
        elif known is None and len(digests[each.counted]) > 1:
            why = f"number {each.number} was given twice"
        if why:
            strangers.append(Stranger("replayed", source, each.manifest.id, each.store, why, each.sha256))
        else:
            kept.append(each)
    if whole:
        lost = [key for key, each in published.items() if each.kept and each.number and key not in present]
        why = "it is in the ledger, and no prune removed it"
        strangers += [Stranger("missing", source, key, "", why, published[key].sha256) for key in sorted(lost)]
    return kept, strangers


def foreign_points(strangers: Sequence[Stranger]) -> str:
    """Whose restore points lie here beside ours; empty when nobody's do."""
    found = [each for each in strangers if each.standing == "foreign" and not each.name]
    count, claimed = len({each.id for each in found}), {each.claimed: None for each in found if each.claimed}
    whose = f": {', '.join(claimed)}" if claimed else ""
    return f"{count} there belong to another installation{whose}" if found else ""


def only_foreign(strangers: Sequence[Stranger]) -> str:
    """The same, for who finds none of his own."""
    sentence = foreign_points(strangers)
    cure = "is this its new machine: ops key import DIR, with the signing directory of its opened kit"
    return f"{sentence}; {cure}" if sentence else ""


def summary(strangers: Sequence[Stranger], source: str) -> list[str]:
    """What a human should know of them, a line for each kind; of foreign ones nothing: they are somebody's own."""
    lines = []
    if count := len({each.id for each in strangers if each.standing == "unsigned" and not each.name}):
        lines.append(
            f"{count} restore point{'s are' if count > 1 else ' is'} not signed and not used: from before signatures, "
            f"or planted: ops sign {source}"
        )
    for standing in (*ALARMING, "missing"):
        if found := [each for each in strangers if each.standing == standing and not each.name]:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            lines.append(f"{standing.upper()}: {found[0].words}{more}")
    if verdicts := [each for each in strangers if each.name and each.standing != "foreign"]:
        more = f" (and {len(verdicts) - 1} more)" if len(verdicts) > 1 else ""
        lines.append(f"not believed: {verdicts[0].words}{more}")
    return lines


def _facts(comment: str, what: str) -> dict[str, str]:
    matched = _COMMENT.fullmatch(comment)
    if matched is None or matched[1] != what:
        return {}
    return dict(pair.split("=", 1) for pair in matched[2].split())


def _claim(said: Mapping[str, str]) -> str:
    return f"of {said['host']} ({said['installation'][:8]})" if {"host", "installation"} <= said.keys() else ""


def _compare(where: str, said: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name, value in found.items():
        if said.get(name) != value:
            raise Untrusted(
                f"{where} was signed as {said.get('id')} of {said.get('source')}",
                standing="replayed",
                why=f"its {name} is {value}, and {said.get(name)} was signed",
            )


def _cure(source: str) -> str:
    return f"look at it, then: ops sign {source}"
