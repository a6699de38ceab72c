"""The API for programs: it says of itself what it answers, and answers so."""

import json
import sqlite3
import urllib.error
import urllib.request
from typing import Any

import jsonschema
import pytest

from tests.web.conftest import House, Site
from tests.web.test_operators import OPERATOR, READER, house, site  # noqa: F401 - fixtures

V1 = "api/v1"


def call(there: Site, method: str, path: str, document: object = None, key: str = OPERATOR) -> tuple[int, Any]:
    """Ask; the status and the document."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode() if document is not None else None
    headers = {"Authorization": key, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{there.url}{V1}/{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith(("{", "[")) else text


def test_every_answer_is_as_its_description_says(site: Site) -> None:  # noqa: F811
    _, described = call(site, "GET", "openapi.json")
    for path, operations in described["paths"].items():
        if "get" not in operations:
            continue
        filled = path.replace("{name}", "crm").replace("{run}", "none").lstrip("/")
        status, document = call(site, "GET", filled, key=READER)
        answers = operations["get"]["responses"]
        assert str(status) in answers, (path, status, document)
        schema = answers[str(status)]["content"]["application/json"]["schema"]
        jsonschema.validate(document, {**schema, "components": described["components"]})
    _, sources = call(site, "GET", "sources")
    assert [each["name"] for each in sources] == ["crm"]


def test_a_reader_reads_and_an_operator_settles(site: Site) -> None:  # noqa: F811
    [incident] = call(site, "GET", "incidents", key=READER)[1]
    assert (incident["source"], incident["title"]) == ("crm", "dump failed")
    assert call(site, "POST", f"incidents/{incident['id']}/acknowledgement", key=READER)[0] == 403
    assert call(site, "POST", f"incidents/{incident['id']}/acknowledgement")[0] == 204
    assert call(site, "GET", "incidents", key=READER)[1][0]["acknowledged_by"] == "the holder of the token"
    status, mute = call(site, "POST", "mutes", {"source": "crm", "length": "4h", "reason": "it moves"})
    assert (status, mute["source"]) == (201, "crm")
    assert call(site, "DELETE", f"mutes/{mute['id']}")[0] == 204
    assert call(site, "GET", "mutes")[1] == []


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("sources/nobody/backups", None, 404),
        ("sources/crm/backups", None, 409),
        ("sources/crm/restore-points/none/verifications", None, 404),
        ("sources/crm/restore-points/none/restores", {"to": "x"}, 404),
        ("sources/crm/restore-points/none/restores", {"to": ""}, 422),
        ("sources/crm/restore-points/none/restores", {"to": "x", "drop": True}, 422),
        ("drills", {}, 404),
        ("mutes", {"length": "eternity"}, 409),
        ("mutes", {"source": "nobody"}, 404),
        ("mutes", {"length": "9999999d"}, 409),
        ("mutes", {"reason": "\ud800"}, 422),
        ("mutes", {"\ud800": 1}, 422),
        ("mutes", {"source": float("nan")}, 422),
        ("mutes", b"[" * 60_000, 400),
        ("mutes", {"reason": "x" * 70_000}, 413),
        ("reports", None, 409),
    ],
)
def test_what_cannot_be_done_is_told_with_its_cause(
    site: Site,  # noqa: F811
    path: str,
    document: object,
    expected: int,
) -> None:
    status, said = call(site, "POST", path, document)
    assert status == expected, said
    assert said.get("what") or said["detail"]


def test_a_ledger_that_cannot_be_used_is_no_conflict(house: House, site: Site) -> None:  # noqa: F811
    """A program tries again after 503; after 409 it asks somebody."""
    with sqlite3.connect(house.folder / "base" / "ledger.sqlite") as ledger:
        ledger.execute("alter table ops_mutes rename to elsewhere")
    status, said = call(site, "GET", "mutes")
    assert (status, said["error"]) == (503, "LedgerError")
    assert call(site, "POST", "mutes", {})[0] == 503
