"""Fixtures of the unit tests: a written `ops.yaml`, and what was wrong with it."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ops_pipelines.config.errors import ConfigError, Mistake
from ops_pipelines.config.load import load_config
from ops_pipelines.config.models import Config

Load = Callable[..., Config]
Mistakes = Callable[..., list[Mistake]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write an `ops.yaml` and load it."""

    def loaded(text: str, **environ: str) -> Config:
        path = tmp_path / "ops.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return load_config(path, environ=environ)

    return loaded


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """Write an `ops.yaml` that is refused, and return why."""

    def refused(text: str, **environ: str) -> list[Mistake]:
        with pytest.raises(ConfigError) as caught:
            load(text, **environ)
        return caught.value.mistakes

    return refused
