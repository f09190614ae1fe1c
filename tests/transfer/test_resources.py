"""Many at once and in any order: the same hashes, and no more than may be (CC-07, CC-08)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from aioglacier.core.ledger import UploadLedger
from aioglacier.core.treehash import hash_part, tree_hash
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import as_source
from tests.transfer.conftest import DATA, MIB, MemoryStore, options, thread_resources

if TYPE_CHECKING:
    from aioglacier.transfer.resources import TransferResources

ARCHIVES = 1000


def test_parts_proven_in_any_order_give_the_same_whole() -> None:
    """CC-07: in a thousand shuffles size and tree hash are those of the bytes in order."""
    draw = random.Random(3)  # noqa: S311  # repeatable, not secret
    body = DATA[: 9 * MIB + 77]
    parts = [
        (index, min(MIB, len(body) - start), hash_part(body[start : start + MIB]).tree_hash)
        for index, start in enumerate(range(0, len(body), MIB))
    ]
    expected = (len(body), tree_hash(body))
    for _ in range(1000):
        draw.shuffle(parts)
        ledger = UploadLedger(MIB)
        for index, size, part_hash in parts:
            ledger.prove(index, size, part_hash)
        assert ledger.seal(len(parts)) == expected


@pytest.mark.slow
async def test_a_thousand_archives_at_once_share_connections_and_memory() -> None:
    """CC-08: however many there are, no more bodies are under way and no more memory is lent than one may."""
    store = MemoryStore()
    most_lent = 0
    async with thread_resources(4 * MIB, hash_workers=2, concurrency=3) as resources:

        async def before(_: int | str) -> None:
            nonlocal most_lent
            most_lent = max(most_lent, resources.buffers._lent_size)
            assert resources.connections.in_use <= 3
            await anyio.lowlevel.checkpoint()

        store.before = before
        async with anyio.create_task_group() as tasks:
            for number in range(ARCHIVES):
                tasks.start_soon(upload_one, store, resources, number)
        assert resources.buffers.lent == 0
        assert resources.connections.in_use == 0
    assert sorted(store.archives) == sorted(body_of(number) for number in range(ARCHIVES))
    assert 0 < most_lent <= 4 * MIB
    assert not store.uploads


def body_of(number: int) -> bytes:
    """Bytes of their own for every archive; one in fifty has two parts."""
    size = MIB + 5 if number % 50 == 0 else 1000
    return number.to_bytes(4, "big") + DATA[:size]


async def upload_one(store: MemoryStore, resources: TransferResources, number: int) -> None:
    """Upload one of them."""
    source = await as_source(body_of(number))
    await SourceUpload(store, resources, options(), source).run()
