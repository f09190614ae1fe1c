"""Deleting many archives, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioglacier.cli.exits import is_about_one_item
from aioglacier.core.errors import GlacierError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

    from aioglacier.vault import Vault


async def delete_all(
    vault: Vault,
    archive_ids: AsyncIterable[str],
    *,
    concurrency: int,
    deleted: Callable[[str], None],
    failed: Callable[[str, GlacierError], None],
) -> None:
    """Delete every archive; repeating it for one that is gone is no error.

    Raises:
        GlacierError: Trouble that is not one archive's alone. Those under way may be deleted or not.
    """
    import anyio  # noqa: PLC0415  # not needed for help

    from aioglacier.transfer.causes import first_cause  # noqa: PLC0415

    offer, take = anyio.create_memory_object_stream[str](0)

    async def delete() -> None:
        async with take.clone() as mine:
            async for archive_id in mine:
                try:
                    await vault.delete_archive(archive_id)
                except GlacierError as error:
                    if not is_about_one_item(error):
                        raise
                    failed(archive_id, error)
                else:
                    deleted(archive_id)

    with first_cause():
        async with anyio.create_task_group() as tasks, offer, take:
            for _ in range(concurrency):
                tasks.start_soon(delete)
            async for archive_id in archive_ids:
                await offer.send(archive_id)
            await offer.aclose()
