"""`ops key`: who this installation is, and the key that signs its restore points and verdicts."""

from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.cli.on_demand import Uncut
from ops_pipelines.vault.signing.keys import SIGNING

key = typer.Typer(
    cls=Uncut,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The key that signs restore points and verdicts.",
)
_KIT = "store it in the recovery kit: ops kit --to DIR"


@key.command("show")
@output.explained
def show(config: output.ConfigOption = None, as_json: output.JsonOption = False) -> int:
    """Show the installation, its public key, and every public key whose signatures are believed.

    Example: ops key show
    """
    workspace = output.open_work(config)
    keys = workspace.signing
    installation, trusted = keys.installation, keys.trusted
    lost = bool(trusted) and not (keys.directory / SIGNING).exists()
    if as_json:
        output.print_json(
            {
                "installation": installation.id if installation else None,
                "name": installation.name if installation else None,
                "directory": str(keys.directory),
                "trusted": {each.name: each.line for each in trusted.values()},
                "lost": lost,
            }
        )
    elif installation is None:
        output.say("there is no key yet: the first backup creates it")
    else:
        since = f"{installation.created:%Y-%m-%d}"
        output.say("installation {} ({}), since {}", installation.id, installation.name, since)
        for each in trusted.values():
            output.say("  {}  {}", each.name, each.line)
        if lost:
            output.say(
                "[red]the signing key {} is gone[/]: ops key import DIR, or ops key new", keys.directory / SIGNING
            )
    return output.BROKEN if lost else output.FINE


@key.command("rotate")
@output.explained
def rotate(config: output.ConfigOption = None) -> int:
    """Sign with a new key from now on; what was signed before stays valid.

    Example: ops key rotate
    """
    workspace = output.open_work(config)
    signer = workspace.signing.rotate(workspace.clock.now())
    output.say("new key {}; {}", signer.verifier.name, _KIT)
    return output.FINE


@key.command("new")
@output.explained
def new(config: output.ConfigOption = None) -> int:
    """Make a new key after the old one was lost or stolen with everything else in `keys`.

    Restore points signed with a key that is still in `keys/trusted` stay valid; the others are signed anew by
    ops sign, against the digests in the ledger. Example: ops key new && ops sign --yes
    """
    workspace = output.open_work(config)
    signer = workspace.signing.renew(workspace.clock.now())
    output.say("new key {}; {}", signer.verifier.name, _KIT)
    output.say("to re-sign restore points of an old key that is no longer trusted: ops sign")
    return output.FINE


@key.command("import")
@output.explained
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The `signing` directory of an opened kit.")],
    config: output.ConfigOption = None,
) -> int:
    """Become the installation whose keys a recovery kit carries: on a new machine, its restore points are ours again.

    The kit is opened first: sh recover.sh open opened. Example: ops key import opened/signing
    """
    workspace = output.open_work(config)
    installation = workspace.signing.take_over(directory, workspace.clock.now())
    output.say("this is installation {} ({}) now", installation.id, installation.name)
    return output.FINE
