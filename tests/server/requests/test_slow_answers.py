"""Answers that begin before their operation has ended."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from aioglacier.server.protocol.refusal import RefusalError
from aioglacier.server.protocol.xml_format import PROLOG
from aioglacier.server.requests.call import Answer
from aioglacier.server.requests.faults import Fault, FaultKind, FaultScript
from aioglacier.server.requests.slow_answers import SlowAnswer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

RESULT = Answer(200, body=f"{PROLOG}<Result/>".encode())


@asynccontextmanager
async def answering(
    operation: Callable[[], Awaitable[Answer]], *faults: Fault
) -> AsyncIterator[tuple[str, list[SlowAnswer]]]:
    """Serve a slow operation; yield its URL and the answers that were made."""
    made: list[SlowAnswer] = []
    script = FaultScript(faults)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        slow = SlowAnswer(request, {"x-amz-request-id": "1"}, script.of_request("CopyObject", request))
        made.append(slow)
        await slow.wait(operation)
        if slow.has_begun:
            return await slow.finish(RESULT.body if isinstance(slow.result, Answer) else b"<Error/>")
        return web.Response(status=418)

    server = TestServer(web.Application())
    server.app.router.add_route("*", "/", handle)
    async with server:
        yield str(server.make_url("/")), made


async def test_a_quick_operation_begins_no_answer() -> None:
    """Its status is then its own, be it a success or a refusal."""

    async def operation() -> Answer:
        return RESULT

    async with answering(operation) as (url, made), ClientSession() as session, session.get(url) as answer:
        assert answer.status == 418
    assert made[0].result is RESULT
    with pytest.raises(RuntimeError):
        await made[0].finish(b"")


async def test_a_slow_operation_answers_at_once_and_says_its_result_later() -> None:
    """The status is 200, the prolog comes once, and a refusal comes as the document."""
    goes_on = anyio.Event()

    async def operation() -> Answer:
        await goes_on.wait()
        raise RefusalError(500, "InternalError", "")

    early = Fault("CopyObject", FaultKind.EARLY_ANSWER)
    async with (
        answering(operation, early) as (url, made),
        ClientSession() as session,
        session.get(url) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["x-amz-request-id"] == "1"
        goes_on.set()
        assert await answer.text() == f"{PROLOG}<Error/>"
    assert isinstance(made[0].result, RefusalError)
