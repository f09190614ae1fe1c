"""The layer that tries again: which rows are performed again, with progress and outputs that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.core.models import LockId, NotificationConfig, RetrievalPolicy, RetrievalStrategy, VaultEvent
from aioglacier.core.treehash import tree_hash
from tests.gateway.retry.bench import (
    BODY,
    HASHES,
    PASSING,
    POLICY,
    TOPIC,
    Bench,
    begin,
    lost,
    named,
    temporary,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.core.errors import GlacierError
    from aioglacier.gateway.retry.retrying_gateway import RetryingGateway


IDEMPOTENT: dict[str, Callable[[RetryingGateway], Awaitable[Any]]] = {
    "CreateVault": lambda gateway: gateway.create_vault("photos"),
    "DescribeVault": lambda gateway: gateway.describe_vault("photos"),
    "DeleteVault": lambda gateway: gateway.delete_vault("empty"),
    "ListVaults": lambda gateway: gateway.list_vaults(),
    "SetVaultNotifications": lambda gateway: gateway.set_vault_notifications(
        "photos", NotificationConfig(TOPIC, frozenset(VaultEvent))
    ),
    "DeleteVaultNotifications": lambda gateway: gateway.delete_vault_notifications("photos"),
    "SetVaultAccessPolicy": lambda gateway: gateway.set_vault_access_policy("photos", POLICY),
    "DeleteVaultAccessPolicy": lambda gateway: gateway.delete_vault_access_policy("photos"),
    "AbortVaultLock": lambda gateway: gateway.abort_vault_lock("photos"),
    "AddTagsToVault": lambda gateway: gateway.add_tags_to_vault("photos", {"a": "b"}),
    "RemoveTagsFromVault": lambda gateway: gateway.remove_tags_from_vault("photos", ["a"]),
    "ListTagsForVault": lambda gateway: gateway.list_tags_for_vault("photos"),
    "ListMultipartUploads": lambda gateway: gateway.list_multipart_uploads("photos"),
    "ListJobs": lambda gateway: gateway.list_jobs("photos"),
    "GetDataRetrievalPolicy": lambda gateway: gateway.get_data_retrieval_policy(),
    "SetDataRetrievalPolicy": lambda gateway: gateway.set_data_retrieval_policy(
        RetrievalPolicy(RetrievalStrategy.NONE)
    ),
    "ListProvisionedCapacity": lambda gateway: gateway.list_provisioned_capacity(),
}


@pytest.mark.slow
@pytest.mark.parametrize("error", PASSING, ids=named)
@pytest.mark.parametrize("operation", IDEMPOTENT)
async def test_idempotent_operations_are_sent_again(idle: Bench, operation: str, error: GlacierError) -> None:
    """After one failure before the effect and one after it, the third attempt succeeds."""
    idle.fails(operation, error)
    idle.fails(operation, error, after_effect=True)
    await IDEMPOTENT[operation](idle.gateway)
    assert idle.calls(operation) == 3
    assert len(idle.waits) == 2


async def test_part_is_sent_again_and_progress_adds_up(bench: Bench) -> None:
    """A part is sent again after a lost answer."""
    upload_id = await begin(bench)
    bench.fails("UploadMultipartPart", lost(), temporary(408), after_effect=True)
    moved: list[int] = []
    await bench.gateway.upload_multipart_part(
        "photos", upload_id, memoryview(BODY), start=0, hashes=HASHES, progress=moved.append
    )
    assert bench.calls("UploadMultipartPart") == 3


@pytest.mark.parametrize("error", PASSING, ids=named)
async def test_lock_and_purchase_are_never_sent_again(idle: Bench, error: GlacierError) -> None:
    """A lock and a purchase are never sent again, whatever the error."""
    idle.fails("InitiateVaultLock", error)
    idle.fails("PurchaseProvisionedCapacity", error)
    with pytest.raises(type(error)):
        await idle.gateway.initiate_vault_lock("photos", POLICY)
    with pytest.raises(type(error)):
        await idle.gateway.purchase_provisioned_capacity()
    assert idle.calls("InitiateVaultLock") == 1
    assert idle.calls("PurchaseProvisionedCapacity") == 1


async def test_completing_a_lock_is_repeated(bench: Bench) -> None:
    """Completing a lock again with its id succeeds."""
    lock_id = await bench.gateway.initiate_vault_lock("photos", POLICY)
    bench.fails("CompleteVaultLock", lost(), after_effect=True)
    await bench.gateway.complete_vault_lock("photos", LockId(lock_id))


async def test_output_goes_on_where_the_connection_broke(bench: Bench) -> None:
    """Opening an output is tried again; see test_resuming_output for breaks in the middle."""
    job_id = await bench.glacier.initiate_archive_retrieval("photos", bench.october)
    await bench.glacier.advance(5 * 3600)
    bench.fails("GetJobOutput", lost(), temporary(503))
    async with bench.gateway.get_job_output("photos", job_id) as output:
        assert b"".join([block async for block in output]) == b"october"
        assert output.head == tree_hash(b"october")
    assert bench.calls("GetJobOutput") == 3


async def test_region_and_origin_are_those_within(idle: Bench) -> None:
    """Region and origin are those of the gateway within."""
    assert idle.gateway.region == idle.glacier.region
    assert idle.gateway.origin == idle.glacier.origin
    assert "ScriptedGateway" in repr(idle.gateway)
