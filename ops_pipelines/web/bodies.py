"""Nothing that is sent to us is long: a body beyond the limit is not kept, whichever page or API it is for."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LONGEST = 64 * 1024


class Bounded:
    """Lets whoever reads a body have no more than the limit of it; what is longer is answered with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count."""
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > _LONGEST:
                raise HTTPException(413, "413: what was sent is too long")
            return message

        await self._app(scope, counted, send)
