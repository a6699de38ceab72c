"""Connections end: one that idles, drips its request byte by byte, or does not take its answer, has its time.

One whose request turns out to be malformed ends at once.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S = 10.0
ANSWER_WITHIN_S = 60.0


class Patient(H11Protocol):
    """uvicorn's own protocol, which waits for the first byte and for the last one of a head without end."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody called: his request has to be here in time."""
        super().connection_made(transport)
        self._end_after(HEAD_WITHIN_S)

    def handle_events(self) -> None:
        """A request that is whole has its answer to come; bytes of one that is not win no time."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._end_after(ANSWER_WITHIN_S)

    def on_response_complete(self) -> None:
        """The next request has its time from here on."""
        self._end_after(HEAD_WITHIN_S)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """One answer a request: whose body is malformed may have his already, or would get a second one after this."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # what is still to be said to this client is dropped, and is no error
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any longer."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _end_after(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        # Not closed but aborted: what is unsent would be waited for.
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
