"""JUnit XML, read as a CI reads it: the counts are right, each case says what it is, nothing in it is secret."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from ops_pipelines.cli.junit import Case, JunitNotWritten, Suite, write_junit
from ops_pipelines.cli.main import app
from ops_pipelines.redact import register
from tests.cli.conftest import Month

KINDS = ("failure", "error", "skipped")
# What the schema of Jenkins' xUnit plugin allows: https://github.com/jenkinsci/xunit-plugin (junit-10.xsd)
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "time", "classname"},
    "failure": {"message"}, "error": {"message"}, "skipped": {"message"}, "system-out": set(),
}  # fmt: skip
CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {*KINDS, "system-out"}}


def read(path: Path) -> ElementTree.Element:
    """The document; every element and every count is checked against the schema."""
    root = ElementTree.parse(path).getroot()
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for element in (root, *root.iter("testsuite")):
        cases = list(element.iter("testcase"))
        assert int(element.attrib["tests"]) == len(cases)
        for kind, count in zip(KINDS, ("failures", "errors", "skipped"), strict=True):
            assert int(element.attrib[count]) == sum(case.find(kind) is not None for case in cases)
    return root


def test_each_case_says_what_it_is_and_the_counts_are_right(tmp_path: Path) -> None:
    register("hunter2-hunter2")
    cases = [
        Case("rows", 1.5, details="2050 rows"),
        Case("digests", failure="contacts <differs> & \x00\x1b[31m\ufffe", details="password hunter2-hunter2"),
        Case("restore", error="no server"),
        Case("compare blobs", skipped="too large"),
    ]
    write_junit(tmp_path / "new" / "found.xml", "ops verify", [Suite("crm", cases), Suite("forge", [])])
    root = read(tmp_path / "new" / "found.xml")
    crm, forge = root
    assert (crm.attrib["tests"], crm.attrib["time"], forge.attrib["tests"]) == ("4", "1.500", "0")
    assert [case.attrib["classname"] for case in crm] == ["ops.verify.crm"] * 4
    (failure,) = crm.iter("failure")
    assert failure.attrib["message"] == "contacts <differs> & \\x00\\x1b[31m"
    assert "hunter2" not in (tmp_path / "new" / "found.xml").read_text("utf-8")
    assert [said.text for said in crm.iter("system-out")] == ["2050 rows"]


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JunitNotWritten, match=r"file/x\.xml cannot be written"):
        write_junit(tmp_path / "file" / "x.xml", "ops verify", [])


def test_status_has_a_case_for_each_source_and_step(month: Month) -> None:
    done = CliRunner().invoke(app, ["status", "--junit", "status.xml"])
    assert done.exit_code == 2
    (crm,) = read(month.folder / "status.xml")
    cases = {case.attrib["name"]: case for case in crm}
    assert {"recovery point", "dump", "copy nas", "verify"} <= cases.keys()
    failure = cases["recovery point"].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.attrib["message"].startswith("NEVER: never backed up")
    assert "next: ops backup crm" in failure.text


def test_what_kept_a_verification_from_beginning_is_an_error(month: Month) -> None:
    done = CliRunner().invoke(app, ["verify", "--junit", "verify.xml"])
    assert done.exit_code == 2 and "crm has no restore point yet" in done.output
    ((case,),) = read(month.folder / "verify.xml")
    error = case.find("error")
    assert error is not None and error.attrib["message"] == "crm has no restore point yet"
    assert "next: ops backup crm" in (error.text or "")
