"""The choice of archives in a vault, made from the inventory in the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from aioglacier.bulk.archives.object_origin import NO_ARCHIVE, told
from aioglacier.bulk.archives.safe_names import safe_name
from aioglacier.bulk.filters import PathFilter, PathSelection
from aioglacier.bulk.formats.folder_descriptions import read_description
from aioglacier.catalog.records import ArchiveState
from aioglacier.tasks.shard import WHOLE, Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from aioglacier.catalog import ArchiveRecord
    from aioglacier.core.models import Archive
    from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket
    from aioglacier.recorded.vault_context import RecordedVault

#: Archives of one page: the catalog is asked once for each page.
_PAGE: Final = 250


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """The conditions that an archive must meet; without any, every archive does.

    Attributes:
        patterns: Of decoded names, as in a ``.gitignore``; one that matches the name of an archive, or a
            folder that it is in, selects it.
        exclude: Patterns of archives that are left out although a pattern selects them.
        ids: Only these archives; ``None`` for any.
        larger, smaller: Bytes, both included.
        created_after, created_before: By the service's date of the archive; aware.
        with_folders: Include the archives that ``sync`` and streams made, as they are.
        shard: The share of them that this process brings, by their ids.
    """

    patterns: Sequence[str] = ()
    exclude: Sequence[str] = ()
    ids: Collection[str] | None = None
    larger: int | None = None
    smaller: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    with_folders: bool = False
    shard: Shard = WHOLE

    def settings(self) -> dict[str, Any]:
        """Return the conditions for a record: those that all shards share."""
        names = self.__dataclass_fields__.keys() - {"ids", "shard"}
        values: dict[str, Any] = {name: getattr(self, name) for name in sorted(names)}
        if self.ids is not None:
            # A list of a million ids would be stored with each move.
            values["ids"] = sha256("\n".join(sorted(self.ids)).encode()).hexdigest()
        return {name: str(value) for name, value in values.items() if value}


@dataclass(slots=True)
class ArchiveChoice:
    """Decides archive by archive.

    Attributes:
        seen: Archives decided about.
        of_folders: Archives left out because ``sync`` or a stream made them.
        suspect: Archives left out because an inventory contradicts or lacks them.
        found_ids: Those of the ids that are on record.
    """

    options: ArchiveOptions
    seen: int = 0
    of_folders: int = 0
    suspect: int = 0
    found_ids: set[str] = field(default_factory=set)
    _ids: frozenset[str] | None = field(init=False)
    _patterns: PathSelection | None = field(init=False)
    _exclude: PathFilter | None = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        self._ids = None if options.ids is None else frozenset(options.ids)
        self._patterns = PathSelection(options.patterns) if options.patterns else None
        self._exclude = PathFilter(options.exclude) if options.exclude else None

    @property
    def unmatched(self) -> list[str]:
        """Patterns and ids that match no archive."""
        patterns = self._patterns.unmatched if self._patterns is not None else []
        return [*patterns, *sorted((self._ids or frozenset()) - self.found_ids)]

    def selects(self, record: ArchiveRecord) -> bool:
        """Return whether an archive is selected."""
        options, archive = self.options, told(record)
        if archive.id == NO_ARCHIVE:
            return False
        self.seen += 1
        if self._ids is not None:
            if archive.id not in self._ids:
                return False
            self.found_ids.add(archive.id)  # even if another condition rejects it: the id is no mistake
        if options.larger is not None and archive.size < options.larger:
            return False
        if options.smaller is not None and archive.size > options.smaller:
            return False
        if options.created_after is not None and archive.created < options.created_after:
            return False
        if options.created_before is not None and archive.created >= options.created_before:
            return False
        if not self._selects_name(archive):
            return False
        # Checked last, so that both counts leave out archives that other conditions reject.
        if not options.with_folders and "aioglacier" in read_description(archive.description):
            self.of_folders += 1
            return False
        if record.state is not ArchiveState.STORED:
            self.suspect += 1
            return False
        return True

    def _selects_name(self, archive: Archive) -> bool:
        if self._patterns is None and self._exclude is None:
            return True
        path = safe_name(archive).encode()
        if self._patterns is not None and not self._patterns.selects(path):
            return False
        return self._exclude is None or not self._exclude.excludes_within(path)

    async def pages(self, context: RecordedVault | RecordedBucket) -> AsyncIterator[list[ArchiveRecord]]:
        """Yield the archives that are selected, in the order of the inventory, up to 250 at a time."""
        page: list[ArchiveRecord] = []
        states = (ArchiveState.STORED, ArchiveState.SUSPECT)
        async for record in context.catalog.archives.list_vault(context.key, states=states):
            if self.selects(record):
                page.append(record)
            if len(page) == _PAGE:
                yield page
                page = []
        if page:
            yield page
