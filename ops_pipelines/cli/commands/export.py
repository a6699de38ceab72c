"""`ops export`: a backup as the file that older tools and runbooks look for."""

from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.passphrase import given_passphrase
from ops_pipelines.clock import human_size
from ops_pipelines.recovery.choose import LATEST, choose
from ops_pipelines.recovery.export import export
from ops_pipelines.workspace import open_workspace


@output.explained
def export_(
    source: Annotated[str, typer.Argument(help="A PostgreSQL or MySQL source.")],
    to: Annotated[Path, typer.Option("--to", help="The folder to write to; created if missing.")],
    backup: Annotated[str, typer.Option("--backup", help="A restore point ID, or latest-verified.")] = LATEST,
    passphrase_env: Annotated[
        str, typer.Option(help="Environment variable with a passphrase: encrypts the way openssl does.")
    ] = "",
    passphrase_file: Annotated[Path | None, typer.Option(help="File with the passphrase.")] = None,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write full-YYYYMMDD-HHMM.sql.gz and its .sha256, for tools that know no restore points.

    In the clear, unless a passphrase is given: then openssl enc -d -aes-256-cbc -pbkdf2 opens it. Roles are not in it.
    Example: ops export crm --to /var/backups/db
    """
    loaded, _path = output.open_config(config)
    workspace = open_workspace(loaded)
    workspace.config.source(source)
    passphrase = given_passphrase(passphrase_env, passphrase_file)
    written = export(workspace, choose(workspace, source, backup), to, passphrase=passphrase)
    if as_json:
        output.print_json({
            "ok": True, "backup_id": written.backup_id, "path": str(written.path), "sha256": written.sha256,
            "size_bytes": written.size_bytes,
        })  # fmt: skip
    else:
        output.say(
            "[green]✓[/] {}: {} as {}, {}", source, written.backup_id, written.path, human_size(written.size_bytes)
        )
    return output.FINE
