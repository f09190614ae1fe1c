"""The bytes of a job's output, straight into the parts of an upload."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from aioglacier import tree_hash
from aioglacier.bulk.archives.job_bytes import JobBytes, send_output
from aioglacier.core.limits import GIB, MIB
from aioglacier.core.models import UploadId
from aioglacier.core.planning import part_ranges
from aioglacier.core.ranges import ByteRange
from aioglacier.core.treehash import combine
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.move_costs import choose_part_size
from aioglacier.transfer.budget.allowance import Limits
from aioglacier.transfer.download.retrieval_source import GlacierOutput
from aioglacier.transfer.object_store import RULES
from aioglacier.transfer.resources import open_resources
from aioglacier.transfer.upload.engine import UploadEngine
from tests.migrate.conftest import FAST, bucket_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aioglacier.transfer.store import StoreRules
    from tests.bulk.archives.conftest import OldVault


class Notes:
    """A store that has every part already, and notes what makes the archive."""

    def __init__(self) -> None:
        self.rules: StoreRules = next(iter(RULES.values()))
        self.completed: tuple[int, bytes] | None = None

    async def complete(
        self, upload_id: UploadId, size: int, tree_hash: bytes, receipts: Sequence[object] = ()
    ) -> int:
        """Note the size and the tree hash of the whole."""
        assert upload_id
        self.completed = size, tree_hash
        return len(receipts)

    async def abort(self, upload_id: UploadId) -> None:
        """Fail the test."""
        raise AssertionError(upload_id)

    store_whole: Any = None
    initiate: Any = None
    put_part: Any = None


@pytest.mark.parametrize("size", [5 * 1024 * GIB, 40_000_000_000_000])
async def test_the_largest_archives_are_walked_without_their_bytes(size: int) -> None:
    """All parts of 5 TiB and of 40 TB are known to the bucket, and make the whole in little memory."""
    part_size = choose_part_size(size, 8 * GIB)
    known = {number: sha256(b"%d" % number).digest() for number, _ in enumerate(part_ranges(size, part_size))}
    assert 1000 < len(known) <= 10_000
    store = Notes()
    async with open_resources(Limits(memory=64 * MIB), "threads") as resources:
        engine = UploadEngine(
            store, resources, part_size=part_size, buffer_size=MIB, size=size, keep_unfinished=True
        )
        async with engine:
            engine.resume(UploadId("u"), {})
            output: Any = None  # nothing is fetched
            receipts = await send_output(engine, JobBytes(output, resources), size, known)
    assert receipts == len(known)
    assert store.completed == (size, combine(list(known.values())))


async def test_a_part_is_fetched_in_pieces_with_the_hash_that_is_promised(old_vault: OldVault) -> None:
    """The promises of the pieces make that of the part, which is compared before it is sent."""
    content = bytes(range(256)) * (4096 * 3) + b"tail"
    made = await old_vault.fill({"a": content})
    async with old_vault.connected() as glacier:
        vault = glacier.vault("old")
        job = await vault.retrieve(made["a"].id, tier=FAST.tier)
        await job.wait_until_done()
        target = await BucketTarget.of(await bucket_of(glacier))
        output = GlacierOutput(vault.context.gateway, "old", job.id, size=len(content), tree_hash=None)
        source = JobBytes(output, target.resources)
        buffer = memoryview(bytearray(4 * MIB))
        await source.fill(ByteRange(0, len(content)), buffer[: len(content)])
        assert bytes(buffer[: len(content)]) == content
        assert source.promised == {0: tree_hash(content)}
