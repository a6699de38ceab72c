"""Where copies live: any kind of store. The local store below `base` needs no settings."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ops_pipelines.vault.stores.registry import KINDS
from ops_pipelines.vault.stores.settings import StoreSettings

if TYPE_CHECKING:
    AnyStore = StoreSettings
else:
    AnyStore = Annotated[reduce(or_, KINDS), Field(discriminator="kind")]
"""Any store, as `ops.yaml` says it: its `kind` decides by which model it is read."""
