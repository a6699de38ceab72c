"""The JSON Schema of `ops.yaml`, for editors and for the reference page.

`ops schema` prints it as it is committed in `docs/reference/`.
"""

import json
from typing import Any

from ops_pipelines.config.models import Config
from ops_pipelines.settings.values import NAME_PATTERN

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) that accepts what `load_config` accepts, cross-field rules aside."""
    schema = Config.model_json_schema(by_alias=True)
    secret = schema["$defs"]["SecretRef"]
    schema["$defs"]["SecretRef"] = {
        "description": secret["description"],
        "anyOf": [
            {"type": "string"},
            *(
                {
                    "type": "object",
                    "properties": {place: {"type": "string"}},
                    "required": [place],
                    "additionalProperties": False,
                }
                for place in ("env", "file")
            ),
        ],
    }
    for key in ("stores", "sources"):
        schema["properties"][key]["propertyNames"] = {"pattern": NAME_PATTERN}
    return {
        "$schema": SCHEMA_ID,
        "title": "ops.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def render() -> str:
    """The schema as a file."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"
