"""What the pod of a run asks of a cluster, where Dagster makes each run a pod (K8sRunLauncher)."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ops_pipelines.settings.common import Model

Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", coerce_numbers_to_str=True)]
"""An amount as Kubernetes writes it: `500m`, `2`, `4Gi`."""


class Resources(Model):
    """How much a pod is sure to have, and how much it may take."""

    requests: Mapping[str, Quantity] = Field({}, examples=[{"cpu": "500m", "memory": "1Gi"}])
    limits: Mapping[str, Quantity] = Field({}, examples=[{"memory": "8Gi"}])


class Pod(Model):
    """Of the pods of a source's scheduled runs, beside what all runs have."""

    node_selector: Mapping[str, str] = Field(
        {}, description="labels of the nodes that it may run on; they must reach `base`", examples=[{"disk": "large"}]
    )
    resources: Resources | None = Field(None, description="what is named here, in place of what all runs have")
