"""Open a restore point's dump with the standard tool."""

import subprocess
from pathlib import Path

from ops_pipelines.vault.reader import Copy
from tests.engines.mongodb.conftest import Backups


def unpack(backups: Backups, directory: Path) -> Path:
    """The newest dump's files, taken out of its tar by tar."""
    workspace, point = backups.made.workspace, backups.newest()
    folder = directory / "unpacked"
    folder.mkdir()
    copy = Copy(workspace.local, point.manifest, lambda: workspace.identities("crm"))
    archive = copy.save("dump", folder)
    subprocess.run(["tar", "-xf", archive.name], cwd=folder, check=True)
    return folder
