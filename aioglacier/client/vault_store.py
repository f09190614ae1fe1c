"""Going on with an unfinished upload by its id: from a source read again, or from where a stream stopped.

A source that is read again is hashed again, so nothing has to be believed. A stream that is fed from the
middle is not: for what lies before, the service's own hashes are taken, and compared with those on record.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aioglacier.client.upload import fetch_parts
from aioglacier.core.errors import ResumeMismatchError
from aioglacier.transfer.store import GlacierStore
from aioglacier.transfer.upload.source_upload import SourceUpload
from aioglacier.transfer.upload.sources import open_source
from aioglacier.transfer.upload.writer import UploadOptions, open_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aioglacier.catalog import UploadRecord
    from aioglacier.core.models import UploadDescription, UploadId
    from aioglacier.gateway.contract.protocols import Gateway
    from aioglacier.recorded.vault_records import VaultRecords
    from aioglacier.transfer.resources import TransferResources
    from aioglacier.transfer.store import ArchiveStore
    from aioglacier.transfer.upload.sources import ByteSource, NamedFile, Source
    from aioglacier.transfer.upload.writer import ArchiveWriter


class Continuing:
    """What has to be known to go on with an upload to one vault."""

    def __init__(
        self, gateway: Gateway, resources: TransferResources, vault: str, records: VaultRecords | None
    ) -> None:
        self._gateway = gateway
        self._resources = resources
        self._vault = vault
        self._records = records

    def store(
        self,
        options: UploadOptions,
        source: NamedFile | ByteSource | None = None,
        record: UploadRecord | None = None,
        *,
        found: UploadDescription | None = None,
        awaits_telling: bool = False,
    ) -> ArchiveStore:
        """The vault as a store, which records what is done where there is a catalog."""
        store = GlacierStore(self._gateway, self._vault, options.description)
        if self._records is None:
            return store
        return self._records.store(store, options, source, record, found=found, awaits_telling=awaits_telling)

    async def open_resume(
        self, upload_id: UploadId, source: Source, *, awaits_telling: bool = False
    ) -> SourceUpload:
        """See ``Vault.open_resume``."""
        record, description, known = await self._find(upload_id)
        opened = await open_source(source)
        size = opened.size
        if size is not None and known and max(known) >= size:
            raise ResumeMismatchError(
                f"upload {upload_id} holds bytes up to {max(known)} and more, but the source has {size}; "
                "abort that upload and begin anew"
            )
        options = self._options(description)
        store = self.store(options, opened, record, found=description, awaits_telling=awaits_telling)
        return SourceUpload(store, self._resources, options, opened, resume=(upload_id, known))

    @asynccontextmanager
    async def resume_writer(
        self, upload_id: UploadId, expected_size: int | None
    ) -> AsyncIterator[ArchiveWriter]:
        """See ``Vault.resume_writer``."""
        record, description, known = await self._find(upload_id)
        sizes = await self._check_recorded(record, known)
        options = replace(self._options(description), expected_size=expected_size)
        there: list[bytes] = []
        while (start := len(there) * description.part_size) in known:
            # The last part at the service may be short, and only what is on record tells.
            if start + description.part_size not in known and sizes.get(start) != description.part_size:
                break
            there.append(known[start])
        store = self.store(options, record=record, found=description)
        async with open_writer(store, self._resources, options, resume=(upload_id, known, there)) as writer:
            yield writer

    async def _find(
        self, upload_id: UploadId
    ) -> tuple[UploadRecord | None, UploadDescription, dict[int, bytes]]:
        """What is on record of an upload, and what the service knows of it."""
        record = await self._records.find_upload(upload_id) if self._records is not None else None
        description, known = await fetch_parts(self._gateway, self._vault, upload_id)
        if self._records is not None:
            await self._records.confirm_account(description.vault_arn)
        return record, description, known

    async def _check_recorded(self, record: UploadRecord | None, known: dict[int, bytes]) -> dict[int, int]:
        """The sizes of the parts on record, by offset, once their hashes are those at the service."""
        sizes: dict[int, int] = {}
        if record is None or self._records is None:
            return sizes
        async for part in self._records.catalog.uploads.list_parts(record.number):
            start = part.index * record.part_size
            if known.get(start, part.tree_hash) != part.tree_hash:
                raise ResumeMismatchError(
                    f"part {part.index} of upload {record.upload_id} is not what was sent from here; feed "
                    "the stream again from its beginning, or abort that upload"
                )
            sizes[start] = part.size
        return sizes

    def _options(self, upload: UploadDescription) -> UploadOptions:
        return UploadOptions(self._vault, upload.description or None, upload.part_size, keep_unfinished=True)
