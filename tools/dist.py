"""`make dist`: the wheel and the source archive, byte for byte the same wherever a commit is built, and looked through.

    python -m tools.dist [FOLDER]

Built from the files that git knows, in a folder of its own: nothing that lies about gets in. No registry is asked and
none is named; `twine upload dist/*` publishes what lies there.
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.metadata import Metadata

PROJECT = Path(__file__).parents[1]
PACKAGE = "ops_pipelines"
# A build without isolation: the build backend is one of the locked packages.
_BUILD = (
    "import sys; from setuptools import build_meta; print(getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2]))"
)


def main() -> None:
    """Build what the last commit has, and say what lies where."""
    if _git("status", "--porcelain"):
        sys.exit("dist: commit first: what is published is what a commit has")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    for built in build(folder):
        digest = hashlib.sha256(built.read_bytes()).hexdigest()
        print(f"{digest}  {built.relative_to(Path.cwd())}  {built.stat().st_size:,} bytes")
    print("dist: both are whole; to publish them: twine upload dist/*")


def build(folder: Path) -> tuple[Path, Path]:
    """Build both from the working tree and look them through.

    Args:
        folder: where they are put; made when it is not there.
    Returns:
        The wheel and the source archive.
    Raises:
        SystemExit: something is missing in one of them, or its metadata are not valid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        for each in _files():
            (tree / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / each, tree / each, follow_symlinks=False)
            if not (tree / each).is_symlink():
                (tree / each).chmod(0o755 if (tree / each).stat().st_mode & 0o100 else 0o644)
        source = _normal(_backend(tree, "sdist", folder))
        wheel = _backend(tree, "wheel", folder)
        with tarfile.open(source) as archive:
            archive.extractall(name)  # made a moment ago, by us
        again = _backend(Path(name) / source.name.removesuffix(".tar.gz"), "wheel", Path(name))
        if again.read_bytes() != wheel.read_bytes():
            sys.exit("dist: the source archive makes another wheel than the tree does")
    _look_through(wheel)
    return wheel, source


def _files() -> list[str]:
    """What git knows, or would know with the next commit."""
    found = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    return [each for each in found if each and (PROJECT / each).exists()]


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True).stdout


def _backend(tree: Path, kind: str, folder: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, kind, folder],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(_moment())},
        umask=0o022,  # whoever builds, what is built has the same modes
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"dist: no {kind}: {done.stderr}")
    return folder / done.stdout.splitlines()[-1]


def _moment() -> int:
    """Every file's time: that of the last commit."""
    return int(_git("log", "-1", "--format=%ct"))


def _normal(source: Path) -> Path:
    """The same archive without the times, the owner and the order of this machine."""
    with tarfile.open(source) as archive:
        members = [(each, archive.extractfile(each)) for each in archive.getmembers() if each.isfile()]
        held = [(each, opened.read()) for each, opened in members if opened is not None]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for each, content in sorted(held, key=lambda pair: pair[0].name):
            plain = tarfile.TarInfo(each.name)
            plain.size, plain.mtime, plain.mode = len(content), _moment(), 0o755 if each.mode & 0o100 else 0o644
            archive.addfile(plain, io.BytesIO(content))
    with source.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=_moment()) as zipped:
        zipped.write(packed.getvalue())
    return source


def _look_through(wheel: Path) -> None:
    """Every file of the package is in it, none twice, and an index would take its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(each for each in names if each.endswith(".dist-info/METADATA"))
        Metadata.from_email(archive.read(metadata), validate=True)
    ours = {each for each in _files() if each.startswith(f"{PACKAGE}/")}
    if missing := sorted(ours - set(names)):
        sys.exit(f"dist: not in the wheel: {', '.join(missing)}")
    if alien := sorted(each for each in names if each not in ours and ".dist-info/" not in each):
        sys.exit(f"dist: in the wheel, but not in the package: {', '.join(alien)}")


if __name__ == "__main__":
    main()
