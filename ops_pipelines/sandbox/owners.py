"""A filter by which files keep their owners: what asks to give one away is told that it may not.

In a user namespace the kernel does not say so: an owner that has no number there is an invalid argument (EINVAL), which
programs such as restic do not pass over as they pass over EPERM. The program is one for seccomp(2), in the classic BPF
of linux/filter.h; numbers of system calls are those of the kernel's tables for each machine.
"""

import errno
import os
import struct
from collections.abc import Mapping, Sequence

# chown, fchown, lchown, fchownat, by the machine's AUDIT_ARCH.
_CALLS: Mapping[str, tuple[int, Sequence[int]]] = {
    "x86_64": (0xC000003E, (92, 93, 94, 260)),
    "aarch64": (0xC00000B7, (54, 55)),
}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_NUMBER_AT, _MACHINE_AT = 0, 4  # in struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def program() -> bytes:
    """The filter for this machine; empty for one that we do not know."""
    known = _CALLS.get(os.uname().machine)
    if known is None:
        return b""
    machine, calls = known
    words = [(_LOAD, 0, 0, _MACHINE_AT), (_EQUAL, 0, len(calls) + 1, machine), (_LOAD, 0, 0, _NUMBER_AT)]
    words += [(_EQUAL, len(calls) - each, 0, number) for each, number in enumerate(calls)]
    words += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *each) for each in words)
