"""Write a report with its evidence, sign it, and keep it: below `base/drills`, and in every surviving store."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ops_pipelines import durable
from ops_pipelines.clock import moment_of
from ops_pipelines.drill.record import Evidence, Report
from ops_pipelines.drill.report.page import html
from ops_pipelines.drill.report.sections import markdown
from ops_pipelines.errors import CorruptCopy, OpsError
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.places import Places
from ops_pipelines.recovery.choose import sentence
from ops_pipelines.redact import redact
from ops_pipelines.vault.manifest import SUMS
from ops_pipelines.vault.signing.minisign import Signer, open_signer
from ops_pipelines.vault.stores.base import Store

JSON, MARKDOWN, KEY = "report.json", "report.md", "signing.key"
SIGNATURE, PUBLIC = f"{SUMS}.minisig", "drill.pub"


def drills_directory(places: Places) -> Path:
    """Where the reports are."""
    return places.drills


def signer_of(places: Places) -> Signer:
    """Who signs here. Raises OpsError."""
    path = drills_directory(places) / KEY
    return open_signer(path, lost=f"move it away, and the next drill makes a new one: mv {path} {path}.old")


def described(evidence: Mapping[str, tuple[bytes, str]]) -> list[Evidence]:
    """The evidence with its checksums, for the report."""
    return [
        Evidence(name=f"evidence/{name}", sha256=hashlib.sha256(data).hexdigest(), what=what)
        for name, (data, what) in evidence.items()
    ]


def keep_report(
    places: Places,
    report: Report,
    evidence: Mapping[str, tuple[bytes, str]],
    signer: Signer,
    staging: Path,
    spoken: Language = ENGLISH,
) -> tuple[Path, dict[str, bytes]]:
    """Write and sign everything; returns the directory and its files by name. Raises OSError.

    Args:
        staging: a private directory on the disk of `base`, where it is written before it appears.
        spoken: the language of what people read; the JSON is English.
    """
    files = {
        JSON: redact(report.model_dump_json(indent=1)).encode() + b"\n",
        MARKDOWN: redact(markdown(report, spoken)).encode(),
        "report.html": redact(html(report, spoken)).encode(),
        **{f"evidence/{name}": data for name, (data, _what) in evidence.items()},
    }
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()
    result = "passed" if report.passed else "FAILED"
    comment = f"drill {report.id} {report.scenario} {result}, signed {report.finished_at:%Y-%m-%dT%H:%M:%SZ}"
    files |= {SUMS: sums, SIGNATURE: signer.sign(sums, comment=comment).encode(), PUBLIC: signer.public_file.encode()}
    written = staging / report.id
    for name, data in files.items():
        durable.write(written / name, data)
    final = drills_directory(places) / report.id
    durable.make_directory(final.parent)
    written.rename(final)
    durable.flush(final.parent)
    return final, files


def copy_away(stores: Mapping[str, Store], drill_id: str, files: Mapping[str, bytes]) -> dict[str, str]:
    """Put the files into every store; returns what went wrong, by store."""
    problems = {}
    for name, store in stores.items():
        try:
            # The signature last: where it stands, the rest is there.
            for file, data in sorted(files.items(), key=lambda each: each[0] == SIGNATURE):
                store.keep_report(drill_id, file, data)
        except OpsError as error:
            problems[name] = sentence(error)
    return problems


def read_report(directory: Path) -> Report:
    """A kept report. Raises CorruptCopy."""
    try:
        return Report.model_validate_json((directory / JSON).read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptCopy(f"{directory / JSON} cannot be read", check="report", why=str(error)) from None


def kept_reports(places: Places) -> list[Path]:
    """The directories of the kept reports, newest first."""
    directory = drills_directory(places)
    if not directory.is_dir():
        return []
    found = [path for path in directory.iterdir() if (path / JSON).is_file()]
    return sorted(found, key=lambda path: (moment_of(path.name), path.name), reverse=True)
