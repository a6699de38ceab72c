"""`ops schema`: the JSON Schemas, for editors and for whoever reads our files."""

from enum import Enum
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.config import schema as config_schema
from ops_pipelines.vault import manifest


class Which(str, Enum):
    """The formats that have a schema."""

    CONFIG = "config"
    MANIFEST = "manifest"


@output.explained
def schema(which: Annotated[Which, typer.Argument(help="Which format.")] = Which.CONFIG) -> int:
    """Print the JSON Schema of ops.yaml, or of manifest.json.

    Example: ops schema > ops.schema.json
    """
    output.write(config_schema.render() if which is Which.CONFIG else manifest.render())
    return output.FINE
