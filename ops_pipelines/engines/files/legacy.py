"""Take in a tar of a folder that somebody packed before us."""

from pathlib import Path

from ops_pipelines import process
from ops_pipelines.engines.base import Legacy
from ops_pipelines.errors import SourceError
from ops_pipelines.sandbox import account
from ops_pipelines.streams import Reader

_CHUNK = 1024 * 1024


def unpacked(legacy: Legacy, work: Path, limits: process.Limits) -> Path:
    """The folder of files that was packed, in a directory of our own. Raises SourceError."""
    if legacy.stream is None:
        raise SourceError(f"{legacy.name} is neither a folder nor a tar")
    packed, folder = work / "legacy.tar", work / "legacy"
    _save(legacy.stream, packed)
    folder.mkdir(mode=0o700)
    try:
        tar = [*account.without("mknod"), "tar", "--extract", f"--file={packed}", f"--directory={folder}"]
        process.run(tar, limits=limits)
    except process.CommandFailed as error:
        raise SourceError(
            f"{legacy.name} is no whole tar, or holds what is not unpacked: devices, what lies outside of it",
            why=error.why,
            safe="it was not adopted",
            next="if it is meant: unpack it by hand, and adopt the folder",
        ) from None
    packed.unlink()
    return folder


def _save(stream: Reader, path: Path) -> None:
    with path.open("xb") as sink:
        while chunk := stream.read(_CHUNK):
            sink.write(chunk)
