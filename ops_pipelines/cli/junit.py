"""What was found as JUnit XML, which every CI shows: a suite for each source, a test case for each thing asked.

The form is that of Jenkins' and Maven's schema, which GitLab, GitHub, Azure and Jenkins read.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ops_pipelines import durable, text
from ops_pipelines.errors import OpsError
from ops_pipelines.redact import redact

_NOT_IN_XML = re.compile("[\ufffe\uffff]")


class JunitNotWritten(OpsError):
    """The file cannot be written."""


@dataclass(frozen=True)
class Case:
    """One thing that was asked; without a failure, an error or a reason to skip it, it holds.

    Attributes:
        seconds: what it took, where that is known.
        failure: what does not hold.
        error: why nobody knows whether it holds.
        skipped: why it was not asked.
        details: what there is to say about it, in lines.
    """

    name: str
    seconds: float | None = None
    failure: str = ""
    error: str = ""
    skipped: str = ""
    details: str = ""


@dataclass(frozen=True)
class Suite:
    """What was asked of one source."""

    name: str
    cases: Sequence[Case]


def write_junit(path: Path, name: str, suites: Sequence[Suite]) -> None:
    """Write all of it or nothing.

    Args:
        name: the command that asked.
    Raises:
        JunitNotWritten: the folder is missing, or cannot be written.
    """
    root = ElementTree.Element("testsuites", _counts(name, [case for suite in suites for case in suite.cases]))
    for suite in suites:
        element = ElementTree.SubElement(root, "testsuite", _counts(suite.name, suite.cases))
        for case in suite.cases:
            _add(element, f"{name}.{suite.name}".replace(" ", "."), case)
    ElementTree.indent(root)
    try:
        durable.write(path, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
    except OSError as error:
        raise JunitNotWritten(
            f"{path} cannot be written", why=error.strerror or str(error), safe="what was done is done",
            next="name a file in a folder that can be written",
        ) from None  # fmt: skip


@contextmanager
def refusal_told(path: Path | None, name: str) -> Iterator[None]:
    """Write what kept a command from beginning as an error: a CI that finds no file would show an older one, or none.

    Args:
        path: nothing is written without one.
    """
    try:
        yield
    except OpsError as error:
        if path is not None:
            write_junit(path, name, [Suite("ops", [Case("begin", error=error.what, details=str(error))])])
        raise


def _add(suite: ElementTree.Element, classname: str, case: Case) -> None:
    element = ElementTree.SubElement(
        suite, "testcase", {"classname": classname, "name": _shown(case.name), "time": _seconds(case.seconds)}
    )
    for kind, said in (("failure", case.failure), ("error", case.error), ("skipped", case.skipped)):
        if said:
            told = ElementTree.SubElement(element, kind, {"message": _shown(said)})
            told.text = _shown(case.details) or None
            return
    if case.details:
        ElementTree.SubElement(element, "system-out").text = _shown(case.details)


def _counts(name: str, cases: Sequence[Case]) -> dict[str, str]:
    return {
        "name": _shown(name),
        "tests": str(len(cases)),
        "failures": str(sum(bool(case.failure) for case in cases)),
        "errors": str(sum(bool(case.error) for case in cases)),
        "skipped": str(sum(bool(case.skipped) for case in cases)),
        "time": _seconds(sum(case.seconds or 0.0 for case in cases)),
    }


def _seconds(seconds: float | None) -> str:
    return f"{seconds or 0.0:.3f}"


def _shown(said: str) -> str:
    """Without secrets, and without what may not stand in XML."""
    return _NOT_IN_XML.sub("", text.lines(redact(said)))
