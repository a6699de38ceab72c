"""What every channel offers: one way to send a message, and one error that says what that means for the next try."""

import contextlib
import queue
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ops_pipelines import redact
from ops_pipelines.errors import OpsError
from ops_pipelines.watch.alerts.message import Message

TIMEOUT_S = 10.0


class NotDelivered(OpsError):
    """A channel did not take a message.

    Args:
        again: whether trying again soon may help. A revoked webhook will not come back, and what ran into a time limit
            has had its time already, and may even have arrived.
        retry_after_s: how long the other side asked us to wait, in seconds.
    """

    def __init__(self, what: str, *, again: bool, retry_after_s: float | None = None, next: str = "") -> None:
        super().__init__(what, safe="the message stays in the outbox", next=next)
        self.again, self.retry_after_s = again, retry_after_s


class Channel(Protocol):
    """A way to a human."""

    def send(self, message: Message) -> str:
        """Send a message; returns what came back. Raises NotDelivered, within `TIMEOUT_S` or a little more."""
        ...


def bounded(send: Callable[[], str]) -> str:
    """The result of `send`, or NotDelivered: after `TIMEOUT_S`, however slowly the other side drips its answer.

    A socket's own timeout counts from the last byte. The thread that is left behind ends with its socket.
    """
    answers: queue.SimpleQueue[str | NotDelivered] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(send())
        except NotDelivered as error:
            answers.put(error)
        except Exception as error:
            # One message that a library chokes on must not hold up the others for ever.
            answers.put(NotDelivered(f"{type(error).__name__}: {error}", again=False))

    threading.Thread(target=run, daemon=True, name="alert-channel").start()
    try:
        answer = answers.get(timeout=TIMEOUT_S)
    except queue.Empty:
        raise NotDelivered(f"no answer within {TIMEOUT_S:.0f} s", again=False) from None
    if isinstance(answer, NotDelivered):
        raise answer
    return answer


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host leaves no trace in any network."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def keep_secret(url: str) -> None:
    """Register what is secret in a channel's URL: the whole, the password, and the tokens of which paths are made."""
    redact.register_url(url)
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if "@" not in parts.netloc and "." not in parts.netloc and _is_token(parts.netloc):
            redact.register(parts.netloc)  # many of Apprise's services have their token where a host would be
        if any(_is_token(step) for step in parts.path.split("/")):
            redact.register(parts.path.strip("/"))
        for step in parts.path.split("/"):
            if _is_token(step):
                redact.register(unquote(step))


def _is_token(text: str) -> bool:
    """Words such as `services` are no secrets, and masking them would spoil other texts."""
    return len(text) >= 8 and (text != text.lower() or any(each.isdigit() for each in text))
