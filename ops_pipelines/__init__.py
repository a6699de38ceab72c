"""Verified backups as Dagster assets: a backup counts only after it has been restored.

What is named here is the public interface: it keeps its meaning within a major version. Everything else may move.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ops_pipelines.config.errors import ConfigError
    from ops_pipelines.config.load import load_config
    from ops_pipelines.config.models import Config
    from ops_pipelines.errors import OpsError
    from ops_pipelines.orchestration.build import build_definitions

__all__ = ["Config", "ConfigError", "OpsError", "__version__", "build_definitions", "load_config"]
__version__ = "0.1.0"

_ROOMS = {
    "Config": "config.models",
    "ConfigError": "config.errors",
    "OpsError": "errors",
    "build_definitions": "orchestration.build",
    "load_config": "config.load",
}


def __getattr__(name: str) -> Any:
    # Dagster takes a second to import: who asks for a configuration alone does not wait for it.
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
