"""Every `ops` command of every how-to page, typed in this process on a state like the page's.

The state is made once, and put back before each page: a page is typed from its top, as somebody reads it, blocks first
and then what stands in its sentences. The state has the pages' own names (`forge`, `crm`, `nas`); `_bound` puts in what
only a reader knows. A line that a page has twice is typed once. What cannot run here stands in `NOT_TYPED` with its
reason, and nothing may stand there that no page has.
"""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pyrage
import pytest
from typer.testing import CliRunner

from ops_pipelines.backup.copies import copy_to
from ops_pipelines.backup.take import take_backup
from ops_pipelines.cli.main import app
from ops_pipelines.config.load import load_config
from ops_pipelines.recovery.verify import verify
from ops_pipelines.vault.catalogue import RestorePoint
from ops_pipelines.workspace import Workspace
from tests.docs.pages import PROJECT, command_lines
from tests.watch.receivers import webhook

PAGES = {path.stem: path.read_text("utf-8") for path in sorted((PROJECT / "docs/how-to").glob("*.md"))}
PASSPHRASE = "the kit's passphrase"
DUMP = """--
-- PostgreSQL database dump
--

-- Dumped from database version 17.6
-- Dumped by pg_dump version 17.6

--
-- PostgreSQL database dump complete
--

"""

NOT_TYPED = {
    "up": "runs until it is stopped; tests/setup/test_installed.py types it",
    "serve": "serves until it is stopped; tests/web types it",
    "serve --buttons": "serves until it is stopped; tests/web types it",
    "serve --host 0.0.0.0": "serves until it is stopped; tests/web types it",
    "worker": "works until it is stopped; tests/sites types it",
    "drill outage": "takes minutes; tests/drill does it",
    "drill total_loss": "takes minutes; tests/drill does it",
    "drill random_restore_point": "takes minutes; tests/drill does it",
    "verify hotel --backup 20261110T000000Z-9a35": "loads SQL into a server; tests/engines/test_adopt.py does it",
    "adopt /var/backups/hotel --source hotel --apply": "asks a server for its version; engines/test_adopt.py does",
    "export hotel --to /var/backups/db": "wants a backup of a server; tests/recovery/test_export.py does it",
    "export hotel --to /var/backups/db --passphrase-env BACKUP_PASSPHRASE": "the same",
    "restore forge --to postgresql://admin@newhost/forge --from offsite": "needs that server",
    "backup": "every source in turn: what `ops backup crm` and its like do, typed on these pages",
    "restore … --to …": "stands for every restore beside",
    "restore": "the verb as such is meant",
    "init": "the verb as such is meant",
}
ADDED = {
    "kit": (("--passphrase-file", "kit.pass"), "a terminal is asked for it"),
    "restore ops --into-production": (("--yes-replace", "ops"), "a terminal is asked for it"),
}
FINE = ({0, 1}, "")
ENDS = {  # how a command must end, and what it must say, where that is more than that it is fine; the first that fits
    r"alerts ack crm": ({2}, "no open incident"),  # nothing is wrong with it here
    r"status( --steps)?": ({0, 1, 2}, "recovery point"),
    r"leftovers \S+ --apply": ({0}, "removed"),
    r"adopt \S+ --source hotel( .*)?": ({1}, "good"),
    r"restore forge --to forge_restored --at .*": ({3}, "ops leftovers forge_restored --apply"),
    r"restore \S+ --to .*": ({0}, "verified: "),
    r"restore ops --into-production": ({2}, "in use"),
    r"restore \S+ --into-production .*": ({0}, "is now in its state of"),
    r"verify .*": ({0}, "verified from"),
    r"backup nobody .*": ({2}, "cannot be opened"),
    r"backup .* --no-verify": ({0}, "not verified yet"),
    r"backup .*": ({0}, "✓"),
    r"copy forge --to nas": ({0}, "was damaged in nas and is replaced: verified"),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state before anybody typed anything; it only holds where it was made: beside is `home`, the copy in use."""
    home = tmp_path_factory.mktemp("typed") / "home"
    with webhook() as receiver:
        _make(home, f"http://127.0.0.1:{receiver.port}/hook")
        home.rename(home.with_name("sound"))
        yield home.with_name("sound")


@pytest.fixture
def home(sound: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state put back, as the working directory."""
    home = sound.with_name("home")
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(sound, home, symlinks=True)
    monkeypatch.chdir(home)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return home


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_works_as_typed(page: str, home: Path) -> None:
    for name, text in re.findall(r"^cat > (\S+) <<'YAML'\n(.*?)^YAML$", PAGES[page], re.MULTILINE | re.DOTALL):
        (home / name).write_text(text.replace("/tmp/", f"{home}/"), encoding="utf-8")
    said = ""
    for words in {" ".join(words): words for words in command_lines(PAGES[page])}.values():
        line = " ".join(words)
        if line in NOT_TYPED:
            continue
        if line in BEFORE:
            BEFORE[line](home)
        more = next((more for start, (more, _) in ADDED.items() if line.startswith(start)), ())
        done = CliRunner().invoke(app, [*(_bound(home, word, said) for word in words), *more])
        wanted, phrase = next((end for pattern, end in ENDS.items() if re.fullmatch(pattern, line)), FINE)
        assert done.exit_code in wanted and phrase in done.output, (
            f"{page}: ops {line}: {done.exit_code}\n{done.output}"
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), (
            f"{page}: ops {line}: {done.exception!r}"
        )
        said += done.output


def test_what_is_not_typed_stands_on_a_page() -> None:
    lines = {" ".join(words) for text in PAGES.values() for words in command_lines(text)}
    assert {*NOT_TYPED, *BEFORE} - lines == set()
    assert [each for each in ENDS if not any(re.fullmatch(each, line) for line in lines)] == []
    assert [each for each in ADDED if not any(line.startswith(each) for line in lines)] == []
    assert len(lines) > 60, "and they are found at all"


def _bound(home: Path, word: str, said: str) -> str:
    """What a reader puts in the place of a page's word."""
    if word.startswith(("/srv/", "/media/", "/var/", "/etc/")):
        return f"{home}{word}"
    if (kept := re.match(r"\w+_before_", word)) and (found := re.search(rf"(\S+{kept[0]}\w+)|\S*_before_\w+", said)):
        return found[0]
    return {"…": "2100-01-01 00:00", "2026-11-20 14:00": "2100-01-01 00:00", "SOURCE": "crm", "STORE": "nas"}.get(
        word, word
    )


def _damage(home: Path) -> None:
    """Turn a byte of the newest copy of `forge` in `nas`, and have somebody notice."""
    workspace = _workspace(home)
    point = _newest(workspace, "forge")
    dump = max((home / "nas/forge" / point.id).glob("*.age"), key=lambda path: path.stat().st_size)
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 1
    dump.write_bytes(content)
    verify(workspace, point, store="nas")


def _mute(home: Path) -> None:
    assert CliRunner().invoke(app, ["alerts", "mute", "crm", "--for", "4h", "--reason", "it moves"]).exit_code == 0


def _protect_hotel(home: Path) -> None:
    """A source whose server is not asked by what is typed here."""
    document = json.loads((home / "ops.yaml").read_text("utf-8"))
    document["sources"]["hotel"] = {"kind": "postgres", "url": "postgresql://ops@127.0.0.1:9/hotel"}
    (home / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")


BEFORE: dict[str, Callable[[Path], None]] = {
    "copy forge --to nas": _damage,
    "alerts unmute crm": _mute,
    "adopt /var/backups/hotel --source hotel": _protect_hotel,
}


def _workspace(home: Path) -> Workspace:
    return Workspace(load_config(home / "ops.yaml", environ={}))


def _newest(workspace: Workspace, name: str) -> RestorePoint:
    point = workspace.catalogue(name).newest
    assert point is not None
    return point


def _make(home: Path, receiver: str) -> None:
    files = {
        "srv/crm/uploads/2026/invoice.txt": "paid",
        "srv/crm/uploads/logo.txt": "a logo",
        "var/backups/hotel/hotel_2026-11-10.sql": DUMP,
        "var/backups/hotel/hotel_2026-11-11.sql": "",
        "media/usb/label": "",
        "etc/ops_pipelines/secrets/old.pass": "old",
        "restic.pass": "restic's password",
        "kit.pass": PASSPHRASE,
        "hook": receiver,
        "age.key": str(identity := pyrage.x25519.Identity.generate()),
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch(mode=0o600)
        (home / name).write_text(content, encoding="utf-8")
    for name in ("srv/crm/data/contacts", "srv/crm/data/orders", "srv/forge/forge.db"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(home / name)) as database:
            database.executescript("create table people (name); insert into people values ('Ada'), ('Grace')")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT / name, home / name)
    document = {
        "base": "base",
        "defaults": {
            "encrypt": {"age": [str(identity.to_public())], "identity": {"file": "age.key"}},
            "copies": ["nas", "offsite"],
            "keep": {"daily": 7},
        },
        "stores": {
            "nas": {"kind": "directory", "path": "nas"},
            "offsite": {"kind": "directory", "path": "offsite", "offsite": True},
        },
        "alerts": {"channels": {"slack": {"file": "hook"}}},
        "sources": {
            "forge": {"kind": "sqlite", "paths": ["srv/forge/forge.db"]},
            "crm": {"kind": "sqlite", "paths": ["srv/crm/data"]},
            "crm_uploads": {
                "kind": "files", "paths": ["srv/crm/uploads"], "password": {"file": "restic.pass"}, "copies": ["nas"]
            },
            "ops": {"kind": "sqlite", "paths": ["base/ledger.sqlite"]},
        },
    }  # fmt: skip
    (home / "ops.yaml").write_text(json.dumps(document), encoding="utf-8")
    workspace = _workspace(home)
    for name, source in workspace.config.sources.items():
        take_backup(workspace, name)
        for store in source.copies:
            copy_to(workspace, _newest(workspace, name), store)
        verify(workspace, _newest(workspace, name))
    kit = CliRunner().invoke(
        app,
        ["kit", "--to", f"{home}/media/usb/kit", "--passphrase-file", f"{home}/kit.pass", "-c", f"{home}/ops.yaml"],
    )
    assert kit.exit_code in FINE[0], kit.output
    subprocess.run(
        ["sh", home / "media/usb/kit/recover.sh", "open", "opened"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "KIT_PASSPHRASE": PASSPHRASE},
        check=True,
        capture_output=True,
    )
