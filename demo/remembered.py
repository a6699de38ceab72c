"""What the demo remembers between starts: passwords and ports, in one file that only we may read."""

import json
import secrets
import socket
from pathlib import Path


class Remembered:
    """Passwords and ports by name, made when first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def password(self, name: str) -> str:
        """A password, always the same."""
        return self._values.get(name) or self._keep(name, secrets.token_urlsafe(18))

    def port(self, name: str) -> int:
        """A loopback port: the same as last time, unless somebody has taken it meanwhile."""
        known = self._values.get(f"{name}_port")
        if known and _is_free(int(known)):
            return int(known)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(self._keep(f"{name}_port", str(probe.getsockname()[1])))

    def _keep(self, name: str, value: str) -> str:
        self._values[name] = value
        write_private(self._path, json.dumps(self._values, indent=1) + "\n")
        return value


def write_private(path: Path, text: str) -> None:
    """Replace a file that only we may read, in one step."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
