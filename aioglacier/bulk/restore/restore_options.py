"""The options of a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.core.limits import MIB
from aioglacier.core.models import Tier

if TYPE_CHECKING:
    from aioglacier.bulk.formats.age import Identities

#: Bytes asked for ahead of what was fetched. An output is kept for a day: at 1 MB/s so much comes in one.
AHEAD: Final = 64 * 1024 * MIB

#: Days that restored copies live. What is asked for ahead is ready within two (Bulk, DEEP_ARCHIVE), and then
#: fetched within one.
DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """The options of a restore.

    Attributes:
        selection: Which paths and versions.
        folder: Which of the folders in the vault, by its path then; needed if there are several.
        host: The machine that the folder belongs to; ``None`` prefers this one.
        tier: The retrieval tier.
        days: The life of restored copies in a bucket; a copy that expires too early is asked for again.
        overwrite: Replace what is there and differs.
        ahead: Bytes asked for ahead of what was fetched.
        waits: Wait for jobs; otherwise only what is ready is fetched.
        identities: Secret keys for what is encrypted.
    """

    selection: SelectionOptions = field(default_factory=SelectionOptions)
    folder: str | None = None
    host: str | None = None
    tier: Tier = Tier.STANDARD
    days: int = DAYS
    overwrite: bool = False
    ahead: int = AHEAD
    waits: bool = True
    identities: Identities | None = None
