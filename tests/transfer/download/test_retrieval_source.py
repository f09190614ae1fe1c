"""Pieces of a download: their size, and how many are held."""

from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from aioglacier.transfer.download.retrieval_source import PiecePlaces, choose_piece_size
from tests.transfer.conftest import MIB, thread_resources


@pytest.mark.parametrize(
    ("memory", "concurrency", "expected"), [(256, 4, 16), (64, 4, 4), (16, 2, 1), (1, 64, 1), (256, 64, 8)]
)
async def test_every_connection_gets_a_piece_in_half_of_the_memory(
    memory: int, concurrency: int, expected: int
) -> None:
    """Up to the sixteenth connection pieces get smaller, down to 1 MiB."""
    async with thread_resources(memory * MIB, concurrency=concurrency, hash_workers=2) as resources:
        assert choose_piece_size(resources) == expected * MIB


async def test_a_place_is_waited_for_and_given_on() -> None:
    """With one connection two pieces are held: one that is received, and one that waits for it."""
    async with thread_resources(16 * MIB, concurrency=1, hash_workers=1) as resources:
        places = PiecePlaces(resources, MIB)
        held = 0

        async def hold() -> None:
            nonlocal held
            await places.acquire()
            held += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(hold)
            for expected in (2, 3, 4):
                await wait_all_tasks_blocked()
                assert held == expected
                places.release()
