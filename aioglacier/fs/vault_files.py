"""Vaults as a file system: ``glacier://VAULT/NAME``, where NAME is what a description says, or an id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import NotRetrievedError
from aioglacier.core.inventory.descriptions import decode, describe_name
from aioglacier.fs.archive_file_system import ArchiveFileSystem

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aioglacier.client.glacier import Glacier
    from aioglacier.client.job import Job
    from aioglacier.core.models import Archive
    from aioglacier.transfer.upload.writer import ArchiveWriter

    Info = dict[str, Any]


class GlacierFileSystem(ArchiveFileSystem):
    """The archives of vaults, as the catalog knows them; see ``ArchiveFileSystem`` for the arguments.

    Of several archives with one name the newest has it. Each can be reached by its id too.
    """

    protocol: ClassVar[str] = "glacier"

    async def _places(self, glacier: Glacier) -> list[str]:
        return [vault.name async for vault in glacier.vaults()]

    async def _list(self, glacier: Glacier, place: str, prefix: str) -> dict[str, Info]:
        context = glacier.vault(place).context.recorded()
        found: dict[str, Info] = {}
        listed = context.catalog.archives.list_vault(context.key, states=(ArchiveState.STORED,))
        async for record in listed:
            archive = record.archive
            name = decode(archive.description).name or archive.id
            if name.startswith(prefix) and (name not in found or found[name]["created"] <= archive.created):
                # Of archives of one second, the one that was recorded last.
                found[name] = _info_of(archive)
        return found

    async def _info(self, glacier: Glacier, place: str, name: str) -> Info | None:
        if found := (await self._list(glacier, place, name)).get(name):
            return found
        vault = glacier.vault(place)
        if (record := await vault.retrievals.find_record(name)) is not None:
            return _info_of(record.archive)
        return None

    def _writer(
        self,
        glacier: Glacier,
        place: str,
        name: str,
        *,
        is_new: bool,  # noqa: ARG002  # a vault replaces nothing
    ) -> AbstractAsyncContextManager[ArchiveWriter[Archive]]:
        return glacier.vault(place).open_writer(description=describe_name(name))

    async def _read(self, glacier: Glacier, info: Info, start: int, stop: int) -> bytes:
        job = await self._find_job(glacier, info)
        async with job.open_reader((start, stop)) as reader:
            return await reader.read()

    async def _find_job(self, glacier: Glacier, info: Info) -> Job:
        vault = glacier.vault(info["vault"])
        job = await vault.retrievals.find(info["archive_id"])
        if job is None and self.retrieve is not None:
            job = await vault.retrieve(info["archive_id"], tier=self.retrieve)
        state = "was not retrieved" if job is None else f"is being retrieved by job {job.id}"
        if job is not None:
            if (await job.describe()).is_done:
                return job
            if self.retrieve is not None:
                await job.wait_until_done()
                return job
        raise NotRetrievedError(
            f"{info['name']!r} {state}, which takes hours and costs money: await "
            f"glacier.vault({vault.name!r}).retrieve({info['archive_id']!r}), or open the file system with "
            "retrieve='Bulk', which does so and waits",
            operation="GetJobOutput",
            code="",
            status=0,
        )

    async def _delete(self, glacier: Glacier, place: str, info: Info) -> None:
        await glacier.vault(place).delete_archive(info["archive_id"])

    async def _make_place(self, glacier: Glacier, place: str) -> None:
        await glacier.create_vault(place)

    async def _remove_place(self, glacier: Glacier, place: str) -> None:
        await glacier.vault(place).delete()


def _info_of(archive: Archive) -> Info:
    return {
        "name": archive.id,
        "size": archive.size,
        "type": "file",
        "created": archive.created,
        "vault": archive.vault,
        "archive_id": archive.id,
        "tree_hash": archive.tree_hash.hex(),
        "description": archive.description,
    }
