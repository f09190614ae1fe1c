"""Turns of bodies: one round of the loop sends one slice, however many bodies there are."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import trustme

from aioglacier.core.limits import MIB
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.gateway.connect import open_gateway
from aioglacier.gateway.http.fair_turns import Turns
from tests.gateway.faulty import faulty_server, options_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest


class Rounds:
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.now = 0

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        """Count during the block."""
        task = asyncio.create_task(self._count())
        try:
            yield
        finally:
            task.cancel()

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.now += 1


async def test_one_turn_a_round_in_the_order_asked_for() -> None:
    """Three tasks take four turns each, first come, first served, and no round has two."""
    turns, rounds = Turns(), Rounds()
    asked: list[str] = []
    taken: list[tuple[int, str]] = []

    async def work(name: str) -> None:
        for _ in range(4):
            asked.append(name)
            await turns.take()
            taken.append((rounds.now, name))

    async with rounds.counted(), asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(work(name))
    assert [name for _, name in taken] == asked
    assert Counter(asked) == dict.fromkeys("abc", 4)
    assert max(Counter(when for when, _ in taken).values()) == 1


async def test_a_cancelled_wait_does_not_block_other_turns() -> None:
    """The turn goes to the next in line, and the task after that gets one at once."""
    turns = Turns()
    await turns.take()
    given_up = asyncio.create_task(turns.take())
    waiting = asyncio.create_task(turns.take())
    await asyncio.sleep(0)
    given_up.cancel()
    async with asyncio.timeout(5):
        await waiting
        for _ in range(3):
            await asyncio.sleep(0)
        coroutine = turns.take()
        try:
            coroutine.send(None)
        except StopIteration:
            return
    raise AssertionError("there was a wait although no other task wanted a turn")


async def test_bodies_over_tls_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With eight parts whose slices the kernel takes at once, no round of the loop encrypts two."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    body = memoryview(bytes(MIB // 8))
    hashes = hash_part(body)
    rounds = Rounds()
    sent: list[int] = []

    async with faulty_server(context) as server, open_gateway(options_for(server)) as gateway:

        async def send() -> None:
            await gateway.upload_multipart_part(
                "photos",
                UploadId("UPLOAD"),
                body,
                start=0,
                hashes=hashes,
                progress=lambda _: sent.append(rounds.now),
            )

        async with rounds.counted(), anyio.create_task_group() as sending:
            for _ in range(8):
                sending.start_soon(send)
    assert len(sent) == 8 * 4
    assert max(Counter(sent).values()) == 1
