"""A store that takes only bytes which the vault vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.bulk.archives.archive_choice import ArchiveOptions
from aioglacier.bulk.archives.job_bytes import JobBytes
from aioglacier.bulk.archives.move_plan import make_plan, opened_move
from aioglacier.catalog.records import MovedPart, MoveState
from aioglacier.core.errors import IntegrityError
from aioglacier.core.models import UploadId
from aioglacier.core.s3.objects import ObjectSettings
from aioglacier.core.treehash import hash_part
from aioglacier.migrate.bucket_target import BucketTarget
from aioglacier.migrate.proven_store import ProvenStore
from aioglacier.transfer.object_store import ObjectStore
from tests.bulk.archives.conftest import budget
from tests.migrate.conftest import FAST, bucket_of

if TYPE_CHECKING:
    from tests.bulk.archives.conftest import OldVault

MIB = 1024 * 1024


async def test_other_bytes_never_reach_the_bucket(old_vault: OldVault) -> None:
    """A whole, a part and all parts are compared, and parts that make another whole are forgotten."""
    await old_vault.fill({"a": b"right"})
    right, wrong = hash_part(b"right"), hash_part(b"wrong")
    async with old_vault.connected() as glacier:
        context = glacier.vault("old").context.recorded()
        moves, bucket = context.catalog.moves, await bucket_of(glacier)
        target = await BucketTarget.of(bucket)
        async with opened_move(context, target.url, ArchiveOptions()) as move:
            await make_plan(context, move, ArchiveOptions(), budget().prices, FAST)
            (moved,) = [each async for each in moves.list_moved(move)]
            output: Any = None
            source = JobBytes(output, target.resources)
            inner = ObjectStore(
                target.gateway, target.ref, "old/a", ObjectSettings(), token=moved.token, part_size=8 * MIB
            )
            store = ProvenStore(inner, moves, moved, source, {}, 8 * MIB)
            with pytest.raises(IntegrityError):
                await store.store_whole(memoryview(b"wrong"), wrong, None)
            source.promised[0] = right.tree_hash
            upload_id = await store.initiate(8 * MIB)
            with pytest.raises(IntegrityError) as caught:
                await store.put_part(upload_id, 0, memoryview(b"wrong"), wrong, None)
            assert caught.value.byte_range is not None
            await moves.record_part(moved, MovedPart(0, wrong.tree_hash, wrong.payload_hash))
            with pytest.raises(IntegrityError):
                await store.complete(UploadId(upload_id), 5, wrong.tree_hash)
            assert await moves.list_parts(moved) == {}
            (opened,) = [each async for each in moves.list_moved(move)]
            assert (opened.state, opened.upload_id) == (MoveState.OPEN, upload_id)
            assert await target.head("a") is None
            stored = await store.store_whole(memoryview(b"right"), right, None)
            assert stored.size == 5
            (done,) = [each async for each in moves.list_moved(move)]
            assert done.state is MoveState.COMPLETING  # recorded before the request
            await store.abort(upload_id)
