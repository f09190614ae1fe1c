"""Answers that begin before their operation has ended: 200, white space, and then the result or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from aiohttp import web
from anyio import create_task_group

from aioglacier.server.protocol import s3_behaviour as behaviour
from aioglacier.server.protocol.refusal import ConnectionDroppedError, RefusalError
from aioglacier.server.protocol.xml_format import PROLOG
from aioglacier.server.requests.faults import FaultKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aioglacier.server.requests.call import Answer
    from aioglacier.server.requests.faults import RequestFaults

_PROLOG: Final = PROLOG.encode()

#: Seconds between two pieces of white space (choice).
_BEAT_SECONDS: Final = 1.0


class SlowAnswer:
    """The answer of one slow operation; ``wait`` once, then ``finish`` if it has begun.

    Attributes:
        result: The operation's own answer, or the refusal that ended it.
    """

    def __init__(self, request: web.BaseRequest, headers: Mapping[str, str], faults: RequestFaults) -> None:
        self._request = request
        self._headers = headers
        is_early = faults.find(FaultKind.EARLY_ANSWER) is not None
        self._patience = 0.0 if is_early else behaviour.EARLY_ANSWER_SECONDS
        self._done = anyio.Event()
        self._response: web.StreamResponse | None = None
        self.result: Answer | RefusalError | ConnectionDroppedError

    @property
    def has_begun(self) -> bool:
        """Whether a status of 200 has been sent."""
        return self._response is not None

    async def wait(self, run: Callable[[], Awaitable[Answer]]) -> None:
        """Run the operation to its end, also if the client goes away; begin the answer if that takes long."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._run, run)
            with anyio.move_on_after(self._patience):
                await self._done.wait()
            while not self._done.is_set():
                await self._beat()
                with anyio.move_on_after(_BEAT_SECONDS):
                    await self._done.wait()

    async def _run(self, run: Callable[[], Awaitable[Answer]]) -> None:
        try:
            self.result = await run()
        except (RefusalError, ConnectionDroppedError) as refusal:  # kept out of the task group
            self.result = refusal
        self._done.set()

    async def _beat(self) -> None:
        try:
            if self._response is None:
                headers = {**self._headers, "Content-Type": "application/xml"}
                self._response = web.StreamResponse(status=200, headers=headers)
                self._response.enable_chunked_encoding()
                await self._response.prepare(self._request)
                await self._response.write(_PROLOG)
            else:
                await self._response.write(b"\n")
        except ConnectionError:
            self._patience = 0.0  # the client has gone; the operation goes on

    async def finish(self, body: bytes) -> web.StreamResponse:
        """Send the document, behind the prolog that was sent; return the whole answer."""
        if self._response is None:
            raise RuntimeError("the answer has not begun")
        await self._response.write(body.removeprefix(_PROLOG))
        await self._response.write_eof()
        return self._response
