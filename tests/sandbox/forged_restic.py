"""Snapshots and locks that restic itself never makes here, written by hand into a real repository.

Format: https://restic.readthedocs.io/en/stable/100_references.html (repository version 1 in version 2's place is valid:
what begins with a brace is not compressed).
"""

import base64
import json
import os
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

Node = dict[str, Any]
_TIME = "2026-02-03T04:05:06Z"
SETUID = 1 << 23  # Go's fs.ModeSetuid


@dataclass
class Forger:
    """Writes trees into the repository whose password it knows."""

    repository: Path
    keys: dict[str, Any]
    _blobs: list[tuple[int, bytes, bytes]] = field(default_factory=list)

    @classmethod
    def of(cls, repository: Path, password: str) -> "Forger":
        """Read the master key with restic."""
        printed = subprocess.run(
            ["restic", "--no-cache", "-r", str(repository), "cat", "masterkey"],
            env={**os.environ, "RESTIC_PASSWORD": password}, capture_output=True, check=True,
        ).stdout  # fmt: skip
        return cls(repository, json.loads(printed))

    def file(self, name: str, content: bytes = b"forged", mode: int = 0o644, **more: Any) -> Node:
        """A file."""
        return self._node(name, "file", mode, size=len(content), content=[self._keep(0, content)], **more)

    def folder(self, name: str, *nodes: Node) -> Node:
        """A folder."""
        return self._node(name, "dir", 0o755 | 1 << 31, subtree=self._tree(nodes))

    def link(self, name: str, target: str) -> Node:
        """A symbolic link."""
        return self._node(name, "symlink", 0o777 | 1 << 27, linktarget=target)

    def device(self, name: str, kind: str, device: int) -> Node:
        """A device (`dev`, `chardev`)."""
        bits = 1 << 26 | (1 << 21 if kind == "chardev" else 0)
        return self._node(name, kind, 0o666 | bits, device=device)

    def snapshot(self, nodes: Sequence[Node], tag: str) -> str:
        """Write it all down; the snapshot's id."""
        tree = self._tree(nodes)
        packed, listed, header = b"", [], b""
        for kind, name, sealed in self._blobs:
            listed.append(
                {"id": name.hex(), "type": ("data", "tree")[kind], "offset": len(packed), "length": len(sealed)}
            )
            header += struct.pack("<BI", kind, len(sealed)) + name
            packed += sealed
        header = self._sealed(header)
        packed += header + struct.pack("<I", len(header))
        pack = sha256(packed).hexdigest()
        self._put(f"data/{pack[:2]}/{pack}", packed)
        self._write("index", {"packs": [{"id": pack, "blobs": listed}]})
        told = {"time": _TIME, "tree": tree, "paths": ["/forged"], "hostname": "h", "username": "u", "tags": [tag]}
        return self._write("snapshots", told)

    def lock(self, *, at: datetime, hostname: str, pid: int) -> str:
        """A lock on everything, as `prune` takes one; its id."""
        who = {"hostname": hostname, "username": "root", "pid": pid}
        return self._write("locks", {"time": at.isoformat(), "exclusive": True, **who})

    def _node(self, name: str, kind: str, mode: int, **more: Any) -> Node:
        times = dict.fromkeys(("mtime", "atime", "ctime"), _TIME)
        return {"name": name, "type": kind, "mode": mode, "uid": os.geteuid(), "gid": os.getegid(), **times, **more}

    def _tree(self, nodes: Sequence[Node]) -> str:
        return self._keep(1, json.dumps({"nodes": list(nodes)}).encode() + b"\n")

    def _keep(self, kind: int, plain: bytes) -> str:
        name = sha256(plain).digest()
        if all(name != known for _kind, known, _sealed in self._blobs):
            self._blobs.append((kind, name, self._sealed(plain)))
        return name.hex()

    def _write(self, folder: str, document: object) -> str:
        sealed = self._sealed(json.dumps(document).encode())
        name = sha256(sealed).hexdigest()
        self._put(f"{folder}/{name}", sealed)
        return name

    def _put(self, name: str, content: bytes) -> None:
        path = self.repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _sealed(self, plain: bytes) -> bytes:
        """AES-256 in counter mode, and Poly1305-AES over what came out."""
        key, mac = base64.b64decode(self.keys["encrypt"]), self.keys["mac"]
        start = os.urandom(16)
        encryptor = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
        hidden = encryptor.update(plain) + encryptor.finalize()
        once = Cipher(algorithms.AES(base64.b64decode(mac["k"])), modes.ECB()).encryptor()  # one block: its definition
        tag = Poly1305.generate_tag(base64.b64decode(mac["r"]) + once.update(start), hidden)
        return start + hidden + tag
