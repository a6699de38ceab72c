"""The index of a bundle: every statement and every file of it by digest, signed as one more statement."""

from collections.abc import Mapping, Sequence
from typing import Any

from ops_pipelines.evidence.facts import PREDICATES, STATEMENT, By, Facts, Outcome
from ops_pipelines.evidence.numbering import Numbering
from ops_pipelines.evidence.period import Moment
from ops_pipelines.evidence.summary import Counts, Days

NAME = "index.dsse.json"
_KINDS = {name: kind for kind, name in PREDICATES.items()}


class Listed(Facts):
    """One statement, as the index tells of it.

    Attributes:
        sha256: of the envelope's bytes.
        at: when it began; of an alert, when it was opened.
        turn: of an attempt, its number.
        final: it does not change any more.
        subjects: what it is about, digests by name.
    """

    file: str
    sha256: str
    kind: str
    source: str
    outcome: Outcome
    at: Moment
    turn: int | None
    final: bool
    subjects: Mapping[str, str]


class Index(Facts):
    """What belongs to a bundle; whatever else lies in its folder does not.

    Attributes:
        sources: those that were asked for; None for all of them.
        made_at: as of when everything was gathered.
        key: SHA-256 of the public key's SubjectPublicKeyInfo, and the number that minisign gives the same key.
        files: the other files, digests by name.
    """

    by: By
    period: Days
    sources: Sequence[str] | None
    made_at: Moment
    key: Mapping[str, str]
    counts: Counts
    numbering: Numbering
    statements: Sequence[Listed]
    files: Mapping[str, str]


def listed(file: str, sha256: str, document: Mapping[str, Any]) -> Listed:
    """What the index says of a statement, from that statement alone. Raises ValueError for what is none of ours."""
    try:
        kind = _KINDS[document["predicateType"]]
        said, attempt = document["predicate"], document["predicate"].get("attempt")
        subjects = {each["name"]: each["digest"]["sha256"] for each in document["subject"]}
        if document["_type"] != STATEMENT or kind == "index":
            raise ValueError("it is no statement of an attempt or an alert")
        about: dict[str, Any]
        if attempt is not None:
            about = {name: attempt[name] for name in ("source", "outcome", "turn", "final")}
            about["at"] = attempt["began_at"]
        elif kind == "alert":
            about = {name: said[name] for name in ("source", "outcome", "final")}
            about |= {"at": said["opened_at"], "turn": None}
        elif kind == "backup":
            point = said["restore_point"]
            about = {"source": point["source"], "outcome": "succeeded", "at": point["started_at"], "turn": None}
        else:
            outcome = said["proof"]["outcome"]
            about = {"source": said["source"], "outcome": outcome, "at": said["finished_at"], "turn": None}
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it is no statement as this version writes them") from None
    return Listed(file=file, sha256=sha256, kind=kind, subjects=subjects, **{"final": True, **about})
