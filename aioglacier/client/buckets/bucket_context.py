"""The context of operations on a bucket: its gateway, opened when first needed, and options of writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.checks import check_choice
from aioglacier.core.errors import InvalidPlanError, ObjectNotFoundError, naming
from aioglacier.core.s3.object_checks import check_key, check_settings
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectSettings, StorageClass
from aioglacier.transfer.object_store import RULES, ObjectStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from aioglacier.core.s3.objects import BucketRef, ObjectHead, RestoreState
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.transfer.resources import TransferResources

#: From so many restores that wait on, one list asks for all of them; a page of it costs as much as ten heads.
_MANY: Final = 10


@dataclass(frozen=True, slots=True)
class BucketContext:
    """One bucket of an open connection.

    Attributes:
        open_gateway: Returns the gateway, and opens it at first.
        resources: Memory, hashing and connections of transfers.
        ref: The bucket, and what goes with each request for it.
        restores: The states of restores that are waited for.
    """

    open_gateway: Callable[[], Awaitable[S3Gateway]]
    resources: TransferResources
    ref: BucketRef
    restores: RestoreStates = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "restores", RestoreStates(self))

    def naming(self, key: str | None = None) -> AbstractContextManager[None]:
        """Set bucket and key on every error that leaves the block."""
        return naming(bucket=self.ref.name, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """The options of one upload to a bucket.

    Attributes:
        algorithm: Of the checksums: SHA256 or CRC64NVME.
        overwrite: Whether an object under the key may be replaced.

    Raises:
        InvalidPlanError: S3 would refuse the key or the settings.
    """

    ref: BucketRef
    key: str
    settings: ObjectSettings
    algorithm: ChecksumAlgorithm = ChecksumAlgorithm.SHA256
    overwrite: bool = False
    part_size: int | None = None
    expected_size: int | None = None
    keep_unfinished: bool = False

    def __post_init__(self) -> None:
        check_key(self.key)
        check_settings(self.settings)
        if self.algorithm not in RULES:
            raise InvalidPlanError(f"objects are written with {' or '.join(RULES)}, not {self.algorithm}")

    @property
    def place(self) -> str:
        """See ``SendOptions``."""
        return f"s3://{self.ref.name}/{self.key}"

    def naming(self) -> AbstractContextManager[None]:
        """See ``SendOptions``."""
        return naming(bucket=self.ref.name, key=self.key)

    def store(self, gateway: S3Gateway) -> ObjectStore:
        """Return the bucket as a store for this object."""
        return ObjectStore(
            gateway, self.ref, self.key, self.settings, algorithm=self.algorithm, overwrite=self.overwrite
        )


def check_class(storage_class: StorageClass | str | None) -> StorageClass:
    """Return the storage class, which is never chosen for the caller.

    Raises:
        InvalidPlanError: None was named, or S3 has none of this name.
    """
    if storage_class is None:
        raise InvalidPlanError(
            "name a storage class, for the bucket or for the object: GLACIER_IR (read at once, billed for 90 "
            "days at least), GLACIER (restored in minutes to hours, 90 days) or DEEP_ARCHIVE (restored in 12 "
            "to 48 hours, 180 days)"
        )
    return check_choice("storage class", StorageClass, storage_class)


class RestoreStates:
    """Asks for the states of the restores that are waited for: by a list where they are many."""

    def __init__(self, context: BucketContext) -> None:
        self._context = context
        self._waiting: set[str] = set()
        self._listed: dict[str, RestoreState | None] = {}
        self._lock = anyio.Lock()

    def begin(self, key: str) -> None:
        """Note that a restore is waited for."""
        self._waiting.add(key)

    def end(self, key: str) -> None:
        """Note that it is no longer waited for."""
        self._waiting.discard(key)

    async def is_ongoing(self, key: str) -> bool:
        """Whether a restore certainly goes on: if not, the object's head tells more."""
        async with self._lock:
            if len(self._waiting) < _MANY:
                return False
            if key not in self._listed:
                await self._list(key)
            state = self._listed.pop(key, None)  # each answer once, or it would grow old
            return state is not None and state.is_ongoing

    async def _list(self, key: str) -> None:
        """List a page from ``key`` on."""
        gateway = await self._context.open_gateway()
        page = await gateway.list_objects(self._context.ref, after=key[:-1] or None)
        self._listed = {entry.key: entry.restore for entry in page.items if entry.key in self._waiting}


async def find_head(context: BucketContext, key: str) -> ObjectHead:
    """Describe an object.

    Raises:
        ObjectNotFoundError: There is none under this key.
    """
    with context.naming(key):
        try:
            return await (await context.open_gateway()).head_object(context.ref, check_key(key))
        except ObjectNotFoundError as error:
            error.add_note(f"list the keys with bucket.objects({key.rpartition('/')[0]!r})")
            raise
