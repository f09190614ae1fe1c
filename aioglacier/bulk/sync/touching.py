"""Paths of which only what is known is new: their content is recorded as being where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aioglacier.bulk.sync.packing import Touched
    from aioglacier.catalog.folders.entries import Entries, Entry


async def touch(entries: Entries, touched: Sequence[Touched]) -> list[Entry]:
    """New versions of paths whose content is where it was."""
    known = await entries.get_all([each.known.number for each in touched])
    moved = []
    for entry, old in ((each.entry, known[each.known.number]) for each in touched):
        moved.append(
            entry._replace(
                content_hash=old.content_hash,
                upload=old.upload,
                position=old.position,
                stored=old.stored,
                compression=old.compression,
                encryption=old.encryption,
            )
        )
    return moved
