"""What a program in the sandbox can see, reach and use: this machine's programs, one directory, and nothing else."""

import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipelines.process import Limits, run
from ops_pipelines.sandbox import account, isolation
from ops_pipelines.sandbox.jail import Jail

LIMITS = Limits(timedelta(minutes=1), timedelta(minutes=1), grace=timedelta(seconds=1))
pytestmark = pytest.mark.skipif(isolation.standing().best != "sandbox", reason="no sandbox can be had here")

# Whoever runs inside looks around, and tells in JSON.
LOOK = """
import json, os, pathlib, socket
def readable(path):
    try:
        return pathlib.Path(path).read_bytes()[:100].decode(errors="replace")
    except OSError as error:
        return type(error).__name__
def reaches(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            client.connect(address)
        return True
    except OSError:
        return False
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "uid": os.getuid(), "groups": os.getgroups(), "capabilities": status["CapEff"].strip(),
    "bounding": status["CapBnd"].strip(), "new privileges": status["NoNewPrivs"].strip(),
    "processes": sorted(int(each) for each in os.listdir("/proc") if each.isdigit()),
    "shadow": readable("/etc/shadow"), "secret": readable(SECRET),
    "top": sorted(os.listdir("/")), "environment": sorted(os.environ),
    "network": reaches(socket.AF_INET, ("127.0.0.1", PORT)), "socket": reaches(socket.AF_UNIX, SOCKET),
    "interfaces": [name for _number, name in socket.if_nameindex()],
}))
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir(mode=0o700)
    account.give(path)
    return path


def inside(directory: Path, code: str, **more: object) -> str:
    """What a Python program printed in the sandbox."""
    script = directory / f"{secrets.token_hex(4)}.py"
    script.write_text(code, encoding="utf-8")
    script.chmod(0o644)
    with Jail(directory, **more).running([sys.executable, "-I", script], limits=LIMITS) as program:  # type: ignore[arg-type]
        printed = b"".join(iter(program.read, b""))
        program.finish()
    return printed.decode()


@contextmanager
def listening(path: Path) -> Iterator[int]:
    """Something that answers on loopback and on a socket in the file system; the port."""
    with (
        socket.create_server(("127.0.0.1", 0)) as network,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(path))
        path.chmod(0o777)
        local.listen()
        yield network.getsockname()[1]


def test_nothing_of_ours_is_seen_or_reached(directory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("AGE-SECRET", encoding="utf-8")
    secret.chmod(0o644)
    tmp_path.chmod(0o755)
    with listening(tmp_path / "s") as port:
        code = LOOK.replace("SECRET", repr(str(secret))).replace("PORT", str(port))
        seen = json.loads(inside(directory, code.replace("SOCKET", repr(str(tmp_path / "s")))))
    assert seen["secret"] == "FileNotFoundError"
    assert seen["shadow"] == "FileNotFoundError"
    assert (seen["network"], seen["socket"], seen["interfaces"]) == (False, False, ["lo"])
    assert len(seen["processes"]) <= 3, "its own, and bubblewrap's"
    assert (seen["capabilities"], seen["new privileges"]) == ("0" * 16, "1")
    assert set(seen["top"]) <= {"bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr",
                                *(Path(sys.prefix).parts[1:2]), *(Path(sys.base_prefix).parts[1:2]),
                                *Path(__file__).parts[1:2], *directory.parts[1:2]}  # fmt: skip
    if os.geteuid() == 0:
        assert seen["uid"] == account.sandbox_uid() != 0
        assert seen["groups"] in ([], [account.sandbox_uid()])
        assert seen["bounding"] == "0" * 16


def test_only_its_directory_can_be_written(directory: Path) -> None:
    tried = """
import os, pathlib
pattern = "/proc/sys/kernel/core_pattern"
for place in ("/usr/planted", "/etc/planted", sys.prefix + "/planted", "/planted", "mine", pattern):
    try:
        pathlib.Path(place).write_text("x"); print("wrote", place)
    except OSError: pass
"""
    assert inside(directory, f"import sys\n{tried}").split("\n") == ["wrote mine", ""]
    assert (directory / "mine").read_text() == "x"
    if os.geteuid() == 0:
        assert (directory / "mine").stat().st_uid == account.sandbox_uid()


def test_what_is_ours_is_covered_where_it_lies_among_programs(directory: Path, tmp_path: Path) -> None:
    programs = tmp_path / "tree" / "bin"
    base = programs.parent / "base"
    for each in (programs.parent, programs, base):
        each.mkdir()
        each.chmod(0o755)  # whatever the umask
    for path in (base / "ledger.sqlite", programs.parent / "ops.yaml", programs / "tool"):
        path.write_text("here", encoding="utf-8")
        path.chmod(0o644)
    tree = programs.parent
    code = f"""
import os
print(os.listdir({str(base)!r}), open({str(programs / "tool")!r}).read())
try:
    print(open({str(tree / "ops.yaml")!r}).read())
except PermissionError:
    print("covered")
"""
    said = inside(directory, code, readable=[tree], hidden=[base, tree / "ops.yaml"])
    # What stands in its place is empty, or, where devices count for nothing, cannot be opened.
    assert said in ("[] here\ncovered\n", "[] here\n\n")


def test_it_ends_with_its_parent(directory: Path) -> None:
    # A process that left its session and ignores what it can is still there while the sandbox is.
    code = """
import os, signal, time
if os.fork() == 0:
    os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
    open("born", "w").close(); time.sleep(600)
import pathlib
while not pathlib.Path("born").exists(): time.sleep(0.01)
print("ready", flush=True); time.sleep(600)
"""
    script = directory / "stay.py"
    script.write_text(code, encoding="utf-8")
    script.chmod(0o644)
    with Jail(directory).running([sys.executable, "-I", script], limits=LIMITS) as program:
        assert program.read() == b"ready\n"
        assert working_in(directory)
    assert not working_in(directory)


def working_in(directory: Path) -> list[str]:
    """Processes of this machine that have the directory as theirs, or on their command line."""
    listed = run(["ps", "-eo", "args"], limits=LIMITS).stdout.decode(errors="replace").splitlines()
    return [line for line in listed if str(directory) in line]
