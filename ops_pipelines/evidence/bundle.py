"""Write a bundle: every statement in its signed envelope, the summary as JSON and as a page, and the signed index."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ops_pipelines import durable, stopping
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.evidence import dsse, index
from ops_pipelines.evidence.assemble import Evidence
from ops_pipelines.evidence.index import Index, listed
from ops_pipelines.evidence.page import page, readme
from ops_pipelines.evidence.statements import Subject, in_toto
from ops_pipelines.language.speech import ENGLISH, Language
from ops_pipelines.vault.signing.minisign import Signer

SUMMARY, PAGE, README, PEM, MINISIGN = "evidence.json", "evidence.html", "README.md", "key.pem", "key.pub"


@dataclass(frozen=True)
class Written:
    """A bundle that was written, and what its index says."""

    folder: Path
    index: Index


def write_bundle(evidence: Evidence, signer: Signer, folder: Path, spoken: Language = ENGLISH) -> Written:
    """Write everything into a new folder, whole or not at all.

    Args:
        spoken: the language of its pages; what programs read is English.
    Raises:
        SafetyRefusal: the folder is there already.
        OpsError: it cannot be written.
    """
    files, contents = _files(evidence, signer, spoken)
    if os.path.lexists(folder):
        raise SafetyRefusal(
            f"{folder} is there already", why="a bundle is written once, and never changed",
            safe="nothing was written", next=f"choose another folder: --out {folder}-2",
        )  # fmt: skip
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        with stopping.ending(lambda: shutil.rmtree(unfinished, ignore_errors=True)):
            durable.make_directory(unfinished)
            for name, content in files.items():
                (unfinished / name).parent.mkdir(exist_ok=True)
                (unfinished / name).write_bytes(content)
            durable.flush_file_system(unfinished)
            unfinished.rename(folder)
            durable.flush(folder.parent)
    except OSError as error:
        raise OpsError(
            f"{folder} cannot be written", why=error.strerror or str(error), safe="no backup was touched",
            next=f"df -h {folder.parent}; ls -ld {folder.parent}",
        ) from None  # fmt: skip
    return Written(folder, contents)


def _files(evidence: Evidence, signer: Signer, spoken: Language) -> tuple[dict[str, bytes], Index]:
    summary, key = evidence.summary, signer.verifier
    documents = [(each.file, each.document()) for each in evidence.statements]
    envelopes = {file: dsse.seal(document, signer) for file, document in documents}
    entries = [listed(file, _sha256(envelopes[file]), document) for file, document in documents]
    others = {
        README: readme(summary, key, spoken).encode(),
        SUMMARY: (summary.model_dump_json(indent=1) + "\n").encode(),
        PAGE: page(summary, entries, key, spoken).encode(),
        PEM: dsse.pem(key),
        MINISIGN: key.file.encode(),
    }
    contents = Index(
        by={"installation": summary.installation, "product": summary.product}, period=summary.period,
        sources=summary.sources, made_at=summary.made_at,
        key={"spki_sha256": dsse.key_id(key), "minisign": key.name}, counts=summary.counts,
        numbering=evidence.numbering, statements=entries,
        files={name: _sha256(content) for name, content in others.items()},
    )  # fmt: skip
    about = Subject(SUMMARY, contents.files[SUMMARY])
    sealed = dsse.seal(in_toto("index", [about], contents.model_dump(mode="json")), signer)
    return {**envelopes, **others, index.NAME: sealed}, contents


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
