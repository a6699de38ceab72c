"""`ops evidence`: a signed bundle for an auditor, of everything that was done in a period; and its check."""

from pathlib import Path
from typing import Annotated

import typer

from ops_pipelines.cli import output
from ops_pipelines.config.load import find_config
from ops_pipelines.errors import OpsError
from ops_pipelines.evidence import dsse
from ops_pipelines.evidence.against import compare_with_ledger
from ops_pipelines.evidence.assemble import assemble
from ops_pipelines.evidence.bundle import PEM, Written, write_bundle
from ops_pipelines.evidence.check import Checked, check_bundle
from ops_pipelines.evidence.period import period_of
from ops_pipelines.language.speech import language
from ops_pipelines.vault.signing.minisign import PublicKey
from ops_pipelines.workspace import Workspace

_EXAMPLE = "ops evidence --from 2026-11-01 --to 2026-11-30"


@output.explained
def evidence(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day: 2026-11-01.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day; all of it belongs to the period.")] = "",
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Only this source; may be repeated. Default: all.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="A new folder; default: evidence-DAY-to-DAY here.")
    ] = None,
    check: Annotated[Path | None, typer.Option("--check", metavar="FOLDER", help="Check a bundle instead.")] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="With --check: the public key that must have signed."),
    ] = None,
    config: output.ConfigOption = None,
    as_json: output.JsonOption = False,
) -> int:
    """Write signed evidence of a period for an auditor, or check such a bundle.

    Every backup, copy, verification, restore, drill, deletion and alert is an in-toto statement in a DSSE envelope;
    evidence.html says what was reached, names each gap, and maps all of it to ISO 27001, SOC 2, NIS2 and DORA.
    Days are of the time zone in ops.yaml. A check compares with the ledger where this installation is. Exit status of
    a check: 0 as it was signed, 1 the key has to be compared by you, 2 something was changed, left out or added.
    Example: ops evidence --from 2026-11-01 --to 2026-11-30
    """
    if check is not None:
        return _check(check, key, config, as_json=as_json)
    if not first or not last:
        raise OpsError("no period is given", safe="nothing was written", next=_EXAMPLE)
    workspace = output.open_work(config)
    period = period_of(first, last, workspace.config.timezone)
    found = assemble(workspace, period, only=tuple(source or ()))
    _, signer = workspace.signing.signer(workspace.clock.now())
    folder = (out or Path(f"evidence-{period.first}-to-{period.last}")).absolute()
    written = write_bundle(found, signer, folder, language(workspace.config.language))
    if as_json:
        output.print_json(_document(written, len(found.summary.gaps)))
    else:
        _report(written, len(found.summary.gaps))
    return output.FINE


def _document(written: Written, gaps: int) -> dict[str, object]:
    return {
        "ok": True, "folder": str(written.folder), "statements": len(written.index.statements), "gaps": gaps,
        "counts": written.index.counts, "key": dict(written.index.key),
    }  # fmt: skip


def _report(written: Written, gaps: int) -> None:
    rows = [
        [kind, ", ".join(f"{many} {outcome}" for outcome, many in outcomes.items())]
        for kind, outcomes in written.index.counts.items()
    ]
    if rows:
        output.print_table(["what", "how it ended"], rows)
    else:
        output.say("nothing is recorded of this period")
    output.say("gaps      {}, each named in evidence.html", gaps)
    output.say("key       {} in ops key show", written.index.key["minisign"])
    output.say("bundle    {}", written.folder)
    output.say("check it  ops evidence --check {}", written.folder)


def _check(folder: Path, key: Path | None, config: Path | None, *, as_json: bool) -> int:
    workspace = _workspace(config)
    trusted = workspace.signing.trusted.values() if workspace is not None else ()
    given = [_key(key)] if key is not None else list(trusted)
    checked = check_bundle(folder, given or [_key(folder / PEM)])
    contents = checked.index
    ours = workspace is not None and contents is not None and _is_ours(workspace, contents.by.installation)
    if ours and workspace is not None:
        compare_with_ledger(checked, workspace.ledger)
    elif contents is not None:
        checked.notes.append("it was not compared with a ledger: this is not the installation that it is of")
    believed = bool(given)
    if as_json:
        output.print_json(_checked_document(folder, checked, compared=ours, believed=believed))
    else:
        _tell(folder, checked, believed=believed)
    if checked.problems:
        return output.BROKEN
    return output.FINE if believed else output.ATTENTION


def _checked_document(folder: Path, checked: Checked, *, compared: bool, believed: bool) -> dict[str, object]:
    return {
        "ok": not checked.problems and believed,
        "folder": str(folder),
        "statements": len(checked.documents),
        "key": dsse.key_id(checked.key) if checked.key is not None else None,
        "key_known": believed,
        "compared_with_ledger": compared,
        "problems": [each._asdict() for each in checked.problems],
        "notes": checked.notes,
    }


def _tell(folder: Path, checked: Checked, *, believed: bool) -> None:
    for each in checked.problems:
        output.warn("[red]✗[/] {}: {}", each.file, each.what)
    for note in checked.notes:
        output.say("[yellow]![/] {}", note)
    if checked.key is not None and not believed:
        output.warn(
            "[yellow]![/] it was checked with the key that lies in it: compare {} with what you were told",
            dsse.key_id(checked.key),
        )
    if not checked.problems:
        output.say(
            "{} {} statements in {} are as they were signed", output.mark(good=True), len(checked.documents), folder
        )


def _workspace(config: Path | None) -> Workspace | None:
    """This installation; None where there is none: an auditor has the bundle and a key."""
    if config is None and not find_config(None).is_file():
        return None
    return output.open_work(config)


def _is_ours(workspace: Workspace, installation: str) -> bool:
    known = workspace.signing.installation
    return known is not None and installation in known.ids


def _key(path: Path) -> PublicKey:
    """A public key from a file: PEM, or minisign's form."""
    try:
        content = path.read_bytes()
        if content.startswith(b"-----BEGIN"):
            return dsse.read_pem(content)
        return PublicKey.read(content.decode("ascii").strip().splitlines()[-1])
    except (OSError, ValueError, IndexError) as error:
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise OpsError(
            f"{path} is no public key", why=why, safe="nothing was changed",
            next="ops key show prints the keys of an installation; key.pem of a bundle has the form that is read here",
        ) from None  # fmt: skip
