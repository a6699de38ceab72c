"""A house for each test."""

from pathlib import Path

import pytest

from ops_pipelines.workspace import Workspace
from tests.vault.house import house_in


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose source nobody has to reach."""
    return house_in(tmp_path / "house", tmp_path / "nas", monkeypatch)
