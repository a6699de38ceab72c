"""Who works on a row, so that a later process can tell whether that one died. Decides nothing about the row."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """This process, in a word that no other process of this machine ever has."""
    return f"{_boot_id()}:{os.getpid()}:{_birth(os.getpid())}"


def alive(holder: str) -> bool:
    """Whether a holder on this machine still runs."""
    boot, pid, birth = holder.split(":")
    return boot == _boot_id() and birth == _birth(int(pid))


def anywhere() -> str:
    """This process, in a word that no process of any machine ever has."""
    return f"{socket.gethostname()} {this_process()}"


def died_here(process: str) -> bool:
    """Whether a process named by `anywhere` was one of this machine, and is dead."""
    host, _, holder = process.rpartition(" ")
    return host == socket.gethostname() and not alive(holder)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _birth(pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), stat field 22); empty when it is dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else stat[19]
