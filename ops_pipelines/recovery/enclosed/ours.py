"""What is ours on this machine, and must not be seen in a sandbox even where it lies beside a program."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ops_pipelines.config.models import Config
from ops_pipelines.settings.secrets import SecretRef


def ours(config: Config) -> list[Path]:
    """The base, stores, files with secrets, and the configuration itself."""
    stores = [store.root for store in config.stores.values() if store.root is not None]
    written = [Path(os.environ.get("OPS_CONFIG", "ops.yaml")).absolute()]
    return [config.base, *stores, *_files(config), *written, *(path.with_name(".env") for path in written)]


def _files(value: Any) -> Iterator[Path]:
    """The file of every secret below a model."""
    if isinstance(value, SecretRef):
        if value.file is not None:
            yield value.file
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _files(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _files(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _files(each)
