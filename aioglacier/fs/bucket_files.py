"""Buckets as a file system: ``s3archive://BUCKET/KEY``, for objects of S3's Glacier storage classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from aioglacier.core.errors import NotRetrievedError, ObjectNotFoundError
from aioglacier.fs.archive_file_system import ArchiveFileSystem

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aioglacier.client.glacier import Glacier
    from aioglacier.core.s3.objects import ArchivedObject, ObjectEntry, ObjectHead
    from aioglacier.transfer.upload.writer import ArchiveWriter

    Info = dict[str, Any]


class S3ArchiveFileSystem(ArchiveFileSystem):
    """The objects of buckets; see ``ArchiveFileSystem`` for the other arguments.

    Args:
        storage_class: The class of new objects, as "DEEP_ARCHIVE". Writing without one is an error, because
            it is money for months.
        days: The life of the copies that ``retrieve`` asks for.
        overwrite: Replace an object that is written again, which mode "xb" never does; otherwise an
            ``ObjectExistsError``.
    """

    protocol: ClassVar[str] = "s3archive"

    def __init__(
        self, *, storage_class: str | None = None, days: int = 1, overwrite: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.storage_class = storage_class
        self.days = days
        self.overwrite = overwrite

    async def _places(self, glacier: Glacier) -> list[str]:
        return [bucket.name async for bucket in glacier.buckets()]

    async def _list(self, glacier: Glacier, place: str, prefix: str) -> dict[str, Info]:
        listed = glacier.bucket(place).objects(prefix)
        # Consoles mark an empty folder by an object whose key ends in "/".
        return {each.key: _info_of(each) async for each in listed if not each.key.endswith("/")}

    async def _info(self, glacier: Glacier, place: str, name: str) -> Info | None:
        try:
            return _info_of(await glacier.bucket(place).head(name))
        except ObjectNotFoundError:
            return None

    def _writer(
        self, glacier: Glacier, place: str, name: str, *, is_new: bool
    ) -> AbstractAsyncContextManager[ArchiveWriter[ArchivedObject]]:
        overwrite = self.overwrite and not is_new
        return glacier.bucket(place, self.storage_class).open_writer(name, overwrite=overwrite)

    async def _read(self, glacier: Glacier, info: Info, start: int, stop: int) -> bytes:
        place, _, key = info["name"].partition("/")
        bucket = glacier.bucket(place)
        if self.retrieve is not None:
            restore = await bucket.retrieve(key, tier=self.retrieve, days=self.days)
            await restore.wait_until_done()
        else:
            restore = bucket.restored(key)
        try:
            async with restore.open_reader((start, stop)) as reader:
                return await reader.read()
        except NotRetrievedError as error:
            error.add_note("or open the file system with retrieve='Bulk', which does so and waits")
            raise

    async def _delete(self, glacier: Glacier, place: str, info: Info) -> None:
        await glacier.bucket(place).delete(info["name"].partition("/")[2])

    async def _make_place(self, glacier: Glacier, place: str) -> None:
        await glacier.create_bucket(place)

    async def _remove_place(self, glacier: Glacier, place: str) -> None:
        await glacier.bucket(place).remove()


def _info_of(found: ObjectEntry | ObjectHead) -> Info:
    return {
        "name": found.key,
        "size": found.size,
        "type": "file",
        "created": found.modified,
        "etag": found.etag,
        "storage_class": found.storage_class,
    }
