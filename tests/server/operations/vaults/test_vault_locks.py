"""The lock of a vault, from initiation to completion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.server.conftest import deny_delete, send

if TYPE_CHECKING:
    from aioglacier.server import LocalGlacier
    from tests.server.conftest import Boto

DAY = 24 * 3600


async def test_a_lock_goes_from_in_progress_to_locked(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """A completed lock cannot be undone."""
    assert (await slow_boto.refused("get_vault_lock"))[0] == 404
    await slow_boto("abort_vault_lock")
    answer = await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})
    lock_id = answer["lockId"]
    assert len(lock_id) == 24
    lock = await slow_boto("get_vault_lock")
    assert (lock["State"], lock["Policy"]) == ("InProgress", deny_delete())
    assert lock["ExpirationDate"][:10] > lock["CreationDate"][:10]
    assert (await slow_boto.refused("initiate_vault_lock", policy={"Policy": deny_delete()}))[0] == 403
    assert (await slow_boto.refused("complete_vault_lock", lockId="wrong"))[:2] == (
        400,
        "InvalidParameterValueException",
    )
    for _ in range(2):
        await slow_boto("complete_vault_lock", lockId=lock_id)
    answer_bytes = (await send(faithful, "GET", "/-/vaults/v/lock-policy")).body
    assert json.loads(answer_bytes)["ExpirationDate"] is None
    assert json.loads(answer_bytes)["State"] == "Locked"
    for operation, arguments in (
        ("abort_vault_lock", {}),
        ("complete_vault_lock", {"lockId": "wrong"}),
        ("initiate_vault_lock", {"policy": {"Policy": deny_delete()}}),
    ):
        assert (await slow_boto.refused(operation, **arguments))[:2] == (403, "AccessDeniedException")
    await faithful.advance(400 * DAY)
    assert (await slow_boto("get_vault_lock"))["State"] == "Locked"


async def test_a_lock_in_progress_expires_after_24_hours(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """Policy and id vanish, and a new one can be initiated."""
    lock_id = (await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()}))["lockId"]
    archive_id = await slow_boto.upload(b"x")
    assert (await slow_boto.refused("delete_archive", archiveId=archive_id))[0] == 403
    await faithful.advance(DAY)
    assert (await slow_boto.refused("get_vault_lock"))[0] == 404
    assert (await slow_boto.refused("complete_vault_lock", lockId=lock_id))[0] == 404
    await slow_boto("delete_archive", archiveId=archive_id)
    await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})


async def test_a_lock_denies_young_deletions_only(faithful: LocalGlacier, slow_boto: Boto) -> None:
    """An archive of 364 days cannot be deleted, one of 366 can."""
    answer = await slow_boto("initiate_vault_lock", policy={"Policy": deny_delete()})
    await slow_boto("complete_vault_lock", lockId=answer["lockId"])
    archive_id = await slow_boto.upload(b"x")
    await faithful.advance(364 * DAY)
    status, code, message = await slow_boto.refused("delete_archive", archiveId=archive_id)
    assert (status, code) == (403, "AccessDeniedException")
    assert "not authorized to perform: glacier:DeleteArchive" in message
    await faithful.advance(2 * DAY)
    await slow_boto("delete_archive", archiveId=archive_id)
