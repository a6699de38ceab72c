"""`ops kit`: what is needed to recover on a clean machine, written down before it is needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines import redact
from ops_pipelines.cli import output
from ops_pipelines.cli.passphrase import given_passphrase, read_text
from ops_pipelines.errors import OpsError, SafetyRefusal
from ops_pipelines.recovery.kit.check import check_kit
from ops_pipelines.recovery.kit.kit import Made, Sealing, make_kit
from ops_pipelines.workspace import open_workspace


@output.explained
def kit(
    to: Annotated[
        Path | None, typer.Option("--to", help="The directory to write; an existing kit in it is rewritten.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="Check whether the kit in this directory still opens the newest backups."),
    ] = None,
    passphrase_env: Annotated[str, typer.Option(help="Environment variable with the passphrase.")] = "",
    passphrase_file: Annotated[Path | None, typer.Option(help="File with the passphrase.")] = None,
    recipient: Annotated[list[str] | None, typer.Option(help="Seal for this age or SSH public key.")] = None,
    identity_file: Annotated[
        Path | None, typer.Option(help="With --check: opens a kit sealed for a recipient.")
    ] = None,
    new_identity: Annotated[
        bool, typer.Option("--new-identity", help="Create a new age identity that is kept only in the kit.")
    ] = False,
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Do not encrypt the identities.")] = False,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write the recovery kit: configuration, sealed keys, a runbook, and a script that needs no Python.

    Keep it in two places, one off-site. Exit status of --check: 0 it opens everything, 1 ops.yaml has changed since,
    2 it does not. Example: ops kit --to /media/usb/kit
    """
    if (to is None) == (check is None):
        raise OpsError("name the directory and what to do with it", next="ops kit --to DIR, or: ops kit --check DIR")
    passphrase = given_passphrase(passphrase_env, passphrase_file)
    if check is not None:
        identity = read_text(identity_file) if identity_file is not None else ""
        return _check(config, check, passphrase, identity, as_json=as_json)
    assert to is not None
    if not (passphrase or recipient or unsealed):
        if not sys.stdin.isatty() or as_json:
            raise SafetyRefusal(
                "the keys in a kit must be sealed",
                why="no passphrase and no recipient was given",
                safe="nothing was written",
                next="--passphrase-env NAME, --passphrase-file FILE, --recipient age1…, or --unsealed if you must",
            )
        passphrase = redact.register(typer.prompt("passphrase of the kit", hide_input=True, confirmation_prompt=True))
    loaded, path = output.open_config(config)
    sealing = Sealing(passphrase, tuple(recipient or ()))
    made = make_kit(open_workspace(loaded), path, to, sealing, new_identity=new_identity)
    if as_json:
        document = {"directory": str(to), "files": made.files, "warnings": made.warnings}
        output.print_json({"ok": True, **document, **made.index.model_dump(mode="json")})
    else:
        _report(made, to)
    return output.ATTENTION if made.warnings else output.FINE


def _report(made: Made, to: Path) -> None:
    sealed = " and ".join(made.index.sealed)
    output.say("[green]✓[/] {}: {}", to, ", ".join(made.files))
    output.say(
        "sealed: {}; opens backups for {}", f"with a {sealed}" if sealed else "NO", ", ".join(made.index.opens_for)
    )
    if made.index.second is not None:
        output.say("second identity, in this kit only; add to encrypt.age in ops.yaml: {}", made.index.second)
    for warning in made.warnings:
        output.warn("[yellow]![/] {}", warning)
    output.say("keep it in two places, one of them off-site, and the passphrase somewhere else; read its RUNBOOK.md")
    output.say("test it with a drill; to check that it still opens the newest backups: ops kit --check {}", to)


def _check(config: Path | None, directory: Path, passphrase: str, identity: str, *, as_json: bool) -> int:
    loaded, path = output.open_config(config)
    found = check_kit(open_workspace(loaded), path, directory, passphrase=passphrase, identity=identity)
    if as_json:
        checks = [each.model_dump() for each in found.checks]
        made_at = found.index.made_at.isoformat()
        output.print_json({"ok": found.opens, "proved": found.proved, "made_at": made_at, "checks": checks})
    else:
        words = {True: "ok", False: "FAILED"}
        rows = [[each.name, "look" if each.attention and not each.passed else words[each.passed], each.detail]
                for each in found.checks]  # fmt: skip
        output.print_table(["check", "result", "found"], rows)
        if not found.proved:
            output.say("only public keys were compared; to open the backups for real, give the passphrase")
        if not found.current:
            output.say("next: ops kit --to {}", directory)
    if not found.opens:
        return output.BROKEN
    return output.FINE if found.current else output.ATTENTION
