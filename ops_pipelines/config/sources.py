"""What can be protected: any kind of source."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ops_pipelines.engines.registry import KINDS
from ops_pipelines.engines.source import Source

if TYPE_CHECKING:
    AnySource = Source
else:
    AnySource = Annotated[reduce(or_, (each.settings for each in KINDS.values())), Field(discriminator="kind")]
"""Any source, as `ops.yaml` says it: its `kind` decides by which model it is read."""
