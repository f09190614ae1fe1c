"""Finds contents that are stored already, so that a ``sync`` records them without an upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import anyio

from aioglacier.bulk.formats.age import AGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aioglacier.bulk.formats.age import Recipients
    from aioglacier.bulk.sync.compare import Known
    from aioglacier.catalog.folders.entries import Entries
    from aioglacier.catalog.folders.entry_records import Entry, StoredContent
    from aioglacier.recorded.place_context import RecordedPlace


class Touched(NamedTuple):
    """A file whose metadata changed, but not its content."""

    known: Known
    entry: Entry


class StoredContents:
    """Finds contents in a vault that are encrypted to the same recipients, or not at all.

    Attributes:
        linked: Versions that point to content which was stored under another path.
    """

    def __init__(self, context: RecordedPlace, recipients: Recipients | None, *, least: int) -> None:
        """Prepare.

        Args:
            context: The vault.
            recipients: The exact recipients of the contents; ``None`` for contents that are not encrypted.
            least: The smallest size that ``may_have`` is asked for.
        """
        self.linked = 0
        self._context = context
        self._recipients = recipients
        self._least = least
        self._sizes: set[int] | None = None
        self._is_empty: bool | None = None
        self._asking = anyio.Lock()  # one question for all tasks

    async def find(self, wanted: Sequence[tuple[int, bytes]]) -> Mapping[tuple[int, bytes], StoredContent]:
        """Return the contents that are stored, by size and tree hash."""
        catalog, key = self._context.catalog, self._context.key
        async with self._asking:
            if self._is_empty is None:  # a first sync has nothing to find, and asks once
                self._is_empty = not (await catalog.archives.totals(key)).archives
        if self._is_empty:
            return {}
        return await catalog.entries.find_content(
            key,
            wanted,
            encryption=AGE if self._recipients is not None else None,
            recipients=self._recipients.names if self._recipients is not None else (),
        )

    async def may_have(self, size: int) -> bool:
        """Return whether any content of this size is stored, so that hashing a file of this size can pay."""
        async with self._asking:
            if self._sizes is None:
                catalog = self._context.catalog
                self._sizes = await catalog.entries.sizes_on_record(self._context.key, self._least)
        return size in self._sizes


def point_to(entry: Entry, content: Entry | StoredContent) -> Entry:
    """Return a version that points to content that is stored already."""
    return entry._replace(
        upload=content.upload,
        position=content.position,
        stored=content.stored,
        compression=content.compression,
        encryption=content.encryption,
    )


async def touch(entries: Entries, touched: Sequence[Touched]) -> list[Entry]:
    """Return new versions of files whose metadata changed, but not their content."""
    known = await entries.get_all([each.known.number for each in touched])
    return [point_to(each.entry, known[each.known.number]) for each in touched]
