"""A bundle tells everything that was done, can be checked without us, and shows whatever was changed in it."""

import base64
import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from ops_pipelines.evidence.assemble import Evidence, assemble
from ops_pipelines.evidence.bundle import write_bundle
from ops_pipelines.evidence.check import check_bundle
from ops_pipelines.evidence.index import listed
from ops_pipelines.evidence.page import page
from ops_pipelines.evidence.period import period_of
from ops_pipelines.language.speech import language
from ops_pipelines.vault.signing.minisign import Signer
from tests.browser import chromium
from tests.evidence.conftest import days, said
from tests.faults.house import OPS, House
from tests.faults.protected import CANARY
from tests.language.pseudo import PSEUDO, left_over
from tests.watch.test_report_page import _TOO_WIDE

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Clauses are called as their norms call them.
NAMES = re.compile(
    r"ISO/IEC \d+:\d+|SOC 2 \(Trust Services Criteria\)|NIS2, Directive|DORA, Regulation|Article \d+|\(EU\)|"
    r"Information backup|ICT readiness for business continuity|Backup processes and recovery infrastructure|"
    r"Tests of recovery|Recovery from security incidents|Backup management, disaster recovery|"
    r"Backup, restoration and recovery|\bcrm\b|\bnas\b|local|RPO|RTO|UTC|statements/\S+|20\d{6}T\w+-\w+"
)


@pytest.fixture
def bundle(written: Path, tmp_path: Path) -> Path:
    """A copy of the bundle, to be changed."""
    return Path(shutil.copytree(written, tmp_path / "bundle"))


def statement(path: Path) -> dict[str, Any]:
    """What an envelope holds, believed."""
    payload = json.loads(path.read_bytes())["payload"]
    return dict(json.loads(base64.b64decode(payload)))


def statements(bundle: Path) -> list[dict[str, Any]]:
    """Every statement of a bundle, in the order of their files."""
    return [statement(path) for path in sorted((bundle / "statements").iterdir())]


def by_hand(bundle: Path) -> "subprocess.CompletedProcess[str]":
    """What the bundle's README tells to type, typed: openssl, jq and sha256sum alone."""
    commands = "".join(BLOCK.findall((bundle / "README.md").read_text("utf-8")))
    return subprocess.run(["sh", "-e"], input=commands, cwd=bundle, capture_output=True, text=True, check=False)


def test_every_attempt_and_alert_is_a_statement_with_how_it_ended(written: Path) -> None:
    found = [
        (each["predicateType"].split("/")[-2], (each["predicate"].get("attempt") or each["predicate"])["outcome"])
        for each in statements(written)
    ]
    assert found == [
        *[("backup", "succeeded")] * 4, ("copy", "succeeded"), ("verification", "verified"), ("deletion", "succeeded"),
        ("drill", "succeeded"), ("restore", "succeeded"), ("backup", "succeeded"), ("copy", "succeeded"),
        ("verification", "bad"), ("deletion", "refused"), ("backup", "killed"), ("alert", "open"), ("alert", "open"),
    ]  # fmt: skip
    first, proof = statements(written)[0]["predicate"], statements(written)[5]["predicate"]
    assert first["restore_point"]["kept"] is False, "it was deleted since"
    assert proof["proof"]["grade"] == "full"
    assert {"rows", "content"} <= {check["name"] for check in proof["proof"]["compared"] if check["held"]}


def test_a_statement_is_about_the_bytes_that_were_signed(house: House, written: Path) -> None:
    subjects = {each["name"]: each["digest"]["sha256"] for one in statements(written) for each in one["subject"]}
    point = house.workspace().catalogue("crm").points[-1]
    assert subjects[f"crm/{point.id}/manifest.json"] == point.sha256
    (report,) = (house.base / "drills").glob("*/report.json")
    sums = (report.parent / "SHA256SUMS").read_text("utf-8")
    assert f"{subjects[f'drills/{report.parent.name}/report.json']}  report.json" in sums


def test_figures_and_gaps_are_named(written: Path) -> None:
    summary = json.loads((written / "evidence.json").read_bytes())
    assert {gap["kind"] for gap in summary["gaps"]} == {
        "before_ledger", "not_over", "not_watched", "file_gone", "killed",
    }  # fmt: skip
    (crm,) = summary["reached"]
    assert crm["rpo"]["breaches"][0]["why"] == "no verified restore point", "before the first proof"
    assert 0 < crm["rpo"]["share"] < 1
    assert (crm["rto"]["measured"], crm["drills"], crm["whole_proofs"]) == (3, 1, 1)
    page = (written / "evidence.html").read_text("utf-8")
    for control in ("A.8.13", "A.5.30", "A1.2", "A1.3", "CC7.5", "Article 21", "Article 12"):
        assert control in page
    assert "<script" not in page
    assert "http" not in re.sub(r"https://ops-pipelines\.dev\S+", "", page), "it needs nothing from elsewhere"


def test_standard_tools_check_it(bundle: Path) -> None:
    done = by_hand(bundle)
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout


def test_somebody_elses_code_verifies_every_envelope(bundle: Path) -> None:
    key = load_pem_public_key((bundle / "key.pem").read_bytes())
    envelopes = [bundle / "index.dsse.json", *(bundle / "statements").iterdir()]
    for path in envelopes:
        document = json.loads(path.read_bytes())
        (signature,) = document["signatures"]
        known = SSlibKey.from_crypto(key, keyid=signature["keyid"])
        assert Envelope.from_dict(deepcopy(document)).verify([known], threshold=1), path.name  # it takes it apart
        document["payload"] = base64.b64encode(b"{}").decode()
        with pytest.raises(VerificationError):
            Envelope.from_dict(document).verify([known], threshold=1)


def test_a_phone_shows_all_of_it(house: House, tmp_path: Path) -> None:
    found, signer = gathered(house)
    bundle = write_bundle(found, signer, tmp_path / "cs", language("cs")).folder
    with chromium() as browser:
        shown = browser.new_page(viewport={"width": 390, "height": 844})
        shown.set_content((bundle / "evidence.html").read_text("utf-8"))
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        assert shown.evaluate(_TOO_WIDE) == []


def test_nothing_secret_is_in_it(house: House, written: Path) -> None:
    text = b"".join(path.read_bytes() for path in written.rglob("*") if path.is_file())
    text += b"".join(json.dumps(each).encode() for each in statements(written))
    secrets = [(house.path / name).read_text("utf-8").strip() for name in ("age.key", "hook")]
    assert not [secret for secret in (*secrets, CANARY) if secret.encode() in text]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FILES = [
    "README.md",
    "evidence.html",
    "evidence.json",
    "index.dsse.json",
    "key.pem",
    "key.pub",
    "statements/*-verification-*",
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.daily(3)
def test_one_flipped_byte_is_found_in_every_kind_of_file(house: House, bundle: Path, name: str) -> None:

    victim = sorted(bundle.glob(name))[-1]
    flip(victim)
    status, found = said(house, bundle)
    assert (status, [each["file"] for each in found["problems"]]) == (2, [str(victim.relative_to(bundle))])
    assert name == "README.md" or by_hand(bundle).returncode != 0


def test_every_byte_of_the_index_counts(house: House, bundle: Path) -> None:
    index = bundle / "index.dsse.json"
    whole = index.read_bytes()
    for at in (0, 3, len(whole) - 2, len(whole) - 1, whole.index(b"keyid") + 12):
        index.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert check_bundle(bundle, house.workspace().signing.trusted.values()).problems, at


def _without(document: dict[str, Any], gone: str) -> None:
    predicate = document["predicate"]
    predicate["statements"] = [each for each in predicate["statements"] if each["file"] != gone]
    predicate["counts"]["verification"].pop("bad")


def rewrite_index(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the index as somebody would who has no key."""
    path = bundle / "index.dsse.json"
    envelope = json.loads(path.read_bytes())
    document = statement(path)
    change(document)
    payload = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    path.write_text(json.dumps(envelope, indent=1) + "\n", encoding="utf-8")


def test_a_left_out_failure_is_found(house: House, bundle: Path) -> None:
    victim = sorted(bundle.glob("statements/*-verification-*"))[-1]
    gone = str(victim.relative_to(bundle))
    victim.unlink()
    status, found = said(house, bundle)
    assert status == 2
    assert found["problems"][0]["file"] == gone
    assert "which ended bad" in found["problems"][0]["what"]
    rewrite_index(bundle, lambda document: _without(document, gone))
    status, found = said(house, bundle)
    assert (status, found["problems"][0]["file"]) == (2, "index.dsse.json")


def test_a_changed_date_is_found(house: House, bundle: Path) -> None:
    rewrite_index(bundle, lambda document: document["predicate"]["period"].update(first="2020-01-01"))
    assert said(house, bundle)[0] == 2


def test_a_file_too_many_is_found(house: House, bundle: Path) -> None:
    (bundle / "statements" / "more.dsse.json").write_text("{}", encoding="utf-8")
    status, found = said(house, bundle)
    assert (status, found["problems"][0]["file"]) == (2, "statements/more.dsse.json")


def test_a_row_that_was_changed_or_removed_since_is_found_by_the_ledger(house: House, written: Path) -> None:
    ledger = house.base / "ledger.sqlite"
    with closing(sqlite3.connect(ledger)) as opened:
        before = opened.execute("select started_at, meta from ops_activities where turn = 12").fetchone()
        try:
            opened.execute("update ops_activities set meta = '{}' where turn = 12")
            opened.commit()
            status, found = said(house, written)
        finally:
            opened.execute("update ops_activities set started_at = ?, meta = ? where turn = 12", before)
            opened.commit()
    assert (status, found["compared_with_ledger"]) == (2, True)
    assert "number 12" in found["problems"][0]["what"]
    assert said(house, written)[0] == 0


def test_whoever_has_the_bundle_alone_is_told_to_compare_the_key(bundle: Path, house: House, tmp_path: Path) -> None:
    done = subprocess.run(
        [OPS, "evidence", "--check", str(bundle), "--json"], cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": "/usr/bin"}, check=False,
    )  # fmt: skip
    assert (done.returncode, json.loads(done.stdout)["key_known"]) == (1, False)
    shutil.copy(bundle / "key.pem", tmp_path / "given.pem")
    done = subprocess.run(
        [OPS, "evidence", "--check", str(bundle), "--key", str(tmp_path / "given.pem"), "--json"], cwd=tmp_path,
        capture_output=True, text=True, env={"PATH": "/usr/bin"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_period_of_which_nothing_is_known_says_so(house: House, tmp_path: Path) -> None:
    done = house.ops("evidence", "--from", "2020-01-01", "--to", "2020-01-31", "--out", str(tmp_path / "old"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "old" / "evidence.json").read_bytes())
    assert (summary["counts"], [gap["kind"] for gap in summary["gaps"]]) == ({}, ["before_ledger", "not_watched"])
    assert summary["reached"][0]["rpo"] is None
    lines = {control["id"]: control["not_done"] for control in summary["controls"]}
    assert "no recovery was rehearsed with success in this period" in lines["A.5.30"]
    assert "of a part of the period nothing is recorded: the ledger begins later" in lines["A.8.13"]
    assert said(house, tmp_path / "old")[0] == 0
    assert by_hand(tmp_path / "old").returncode == 0


def test_one_source_alone(house: House, tmp_path: Path) -> None:
    first, last = map(str, days(house))
    refused = house.ops("evidence", "--from", first, "--to", last, "--source", "shop", "--out", str(tmp_path / "shop"))
    assert refused.returncode == 2
    assert "no source is called 'shop'" in refused.stderr
    done = house.ops("evidence", "--from", first, "--to", last, "--source", "crm", "--out", str(tmp_path / "crm"))
    assert done.returncode == 0
    again = house.ops("evidence", "--from", first, "--to", last, "--out", str(tmp_path / "crm"))
    assert (again.returncode, "is there already" in again.stderr) == (3, True)
    assert said(house, tmp_path / "crm")[0] == 0


@pytest.mark.parametrize("code", ["cs", "fr"])
def test_people_read_it_in_their_language_and_programs_in_english(house: House, tmp_path: Path, code: str) -> None:
    found, signer = gathered(house)
    bundle = write_bundle(found, signer, tmp_path / code, language(code)).folder  # type: ignore[arg-type]
    page = (bundle / "evidence.html").read_text("utf-8")
    assert f'<html lang="{code}">' in page
    assert {"cs": "Co toto doložit nemůže", "fr": "Ce que ceci ne peut pas montrer"}[code] in page
    assert "ICT readiness for business continuity" in page, "a clause is called as its norm calls it"
    gaps = json.loads((bundle / "evidence.json").read_bytes())["gaps"]
    assert any(gap["what"].startswith("nothing is recorded of this time: ") for gap in gaps)
    assert said(house, bundle)[0] == 0
    assert "Signature Verified Successfully" in by_hand(bundle).stdout
    flip(bundle / "evidence.html")
    assert said(house, bundle)[0] == 2
    assert by_hand(bundle).returncode != 0


def test_nothing_on_its_page_is_left_in_english(house: House) -> None:
    found, signer = gathered(house)
    entries = [listed(each.file, "0" * 64, each.document()) for each in found.statements]
    shown = page(found.summary, entries, signer.verifier, PSEUDO)
    assert "\n".join(left_over(shown, NAMES)) == ""


def gathered(house: House) -> tuple[Evidence, Signer]:
    """What a bundle of everything is made of, and who signs it."""
    workspace, (first, last) = house.workspace(), days(house)
    period = period_of(str(first), str(last), workspace.config.timezone)
    return assemble(workspace, period), workspace.signing.signer(workspace.clock.now())[1]
