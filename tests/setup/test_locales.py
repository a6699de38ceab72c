"""Any locale, any encoding, any terminal: no command stops at a character, and no name of a file becomes another."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ops_pipelines.cli import encoding

OPS = str(Path(sys.executable).with_name("ops"))
ASCII_NAMES = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""A locale that every machine has, and in which Python takes the names of files for ASCII."""


@pytest.mark.parametrize(
    ("named", "printed"),
    [
        ("ascii", b"+ zlutoucky kun -> ... - \\udcff \\u4e2d"),
        ("iso-8859-2", "+ žluťoučký kůň -> ... - \\udcff \\u4e2d".encode("iso-8859-2")),
        ("cp1252", "+ žlutoucký kun -> … – \\udcff \\u4e2d".encode("cp1252")),
        ("utf-8", "✓ žluťoučký kůň → … – \\udcff 中".encode()),
    ],
)
def test_what_an_encoding_has_not_is_written_with_what_it_has(
    named: str, printed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=named))
    encoding.settle()
    sys.stdout.write("✓ žluťoučký kůň → … – \udcff 中")
    sys.stdout.flush()
    assert raw.getvalue() == printed


def test_a_folder_is_backed_up_and_proved_in_any_locale(tmp_path: Path) -> None:
    folder = tmp_path / "složka"
    folder.mkdir()
    for name in (b"\xc5\xbdlut\xc3\xbd \xe2\x9c\x93.txt", b"\xff\xfe [b].txt"):
        (folder / os.fsdecode(name)).write_text("x", encoding="utf-8")
    (tmp_path / "ops.yaml").write_text(
        "stores: {nas: {kind: directory, path: disk-ě}}\n"
        "defaults: {rpo: 24h, every: '0 2,8,14,20 * * *', copies: [nas]}\n"
        "sources: {composed: {kind: files, paths: [složka], password: {file: pw}}}\n",
        encoding="utf-8",
    )
    (tmp_path / "pw").write_text("canary", encoding="utf-8")
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", **ASCII_NAMES}
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", tmp_path)
    for words in (["backup"], ["restore", "composed", "--to", str(tmp_path / "zpět")]):
        done = subprocess.run([OPS, *words], cwd=tmp_path, env=home, capture_output=True, check=False)
        said = done.stdout.decode("ascii") + done.stderr.decode("ascii")
        assert done.returncode == 0, said
        assert "Traceback" not in said and "BAD" not in said
    kept = {os.fsencode(path.name) for path in (tmp_path / "zpět").rglob("*.txt")}
    assert kept == {os.fsencode(path.name) for path in folder.iterdir()}


def test_a_process_that_would_take_names_for_others_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "ops.yaml").write_text("sources: {app: {kind: sqlite, paths: [app.sqlite]}}\n", encoding="utf-8")
    code = "from ops_pipelines.config.load import load_config as l; from ops_pipelines import workspace as w; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}w.open_workspace(l())"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **ASCII_NAMES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "export PYTHONUTF8=1" in done.stderr
