"""The committed JSON Schemas are the generated ones, and they know good from bad."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ops_pipelines.config import schema
from ops_pipelines.vault import manifest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
EXAMPLE: dict[str, Any] = {
    "timezone": "Europe/Prague",
    "defaults": {
        "rpo": "24h",
        "encrypt": {
            "age": ["age19rl0ger38zrxj7y7f24u4mu5eftxv0wx0mcw0mg8880ka0awqc0qwg309d"],
            "identity": {"file": "/etc/ops/age.key"},
        },
    },
    "stores": {"nas": {"kind": "directory", "path": "/mnt/nas", "offsite": True}},
    "sources": {
        "crm": {
            "kind": "postgres",
            "url": {"env": "CRM_DATABASE_URL"},
            "copies": ["nas"],
            "checks": [{"name": "fresh", "sql": "select max(at) from t", "max_age": "48h"}],
        }
    },
}


@pytest.mark.parametrize(
    ("name", "module", "generated"),
    [
        ("ops.schema.json", "ops_pipelines.config.schema", schema.render()),
        ("manifest.schema.json", "ops_pipelines.vault.manifest", manifest.render()),
    ],
)
def test_the_committed_schema_is_the_generated_one(name: str, module: str, generated: str) -> None:
    committed = (REFERENCE / name).read_text(encoding="utf-8")
    assert committed == generated, f"run: python -m {module} > docs/reference/{name}"
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


def test_the_schema_accepts_a_good_file() -> None:
    jsonschema.validate(EXAMPLE, schema.config_schema())


@pytest.mark.parametrize(
    "change",
    [
        {"tymezone": "UTC"},
        {"sources": {}},
        {"sources": {"crm": {"kind": "postgres"}}},
        {"sources": {"crm": {"kind": "postgres", "url": {"environment": "X"}}}},
        {"sources": {"crm": {"kind": "postgres", "url": "x", "rpo": "a day"}}},
        {"sources": {"Not A Name": {"kind": "postgres", "url": "x"}}},
    ],
)
def test_the_schema_rejects_a_typo(change: dict[str, Any]) -> None:
    wrong = copy.deepcopy(EXAMPLE) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema.config_schema())
