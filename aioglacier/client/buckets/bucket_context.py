"""The context of operations on a bucket, and the waiting for its restores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from aioglacier.core.errors import ObjectNotFoundError
from aioglacier.core.s3.object_checks import check_key
from aioglacier.core.s3.objects import object_url
from aioglacier.recorded.buckets.open_bucket import OpenBucket
from aioglacier.recorded.buckets.recorded_bucket import RecordedBucket

if TYPE_CHECKING:
    from aioglacier.core.s3.objects import ObjectHead, RestoreState

#: From so many restores that wait on, one list asks for all of them; a page of it costs as much as ten heads.
_MANY: Final = 10


@dataclass(frozen=True, slots=True)
class BucketContext(OpenBucket):
    """A bucket of a connection, and the restores in it that are waited for.

    Attributes:
        restores: Their states.
    """

    restores: RestoreStates = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "restores", RestoreStates(self))

    def recorded(self) -> RecordedBucket:
        """Return the same context with records for certain.

        Raises:
            ConfigurationError: The connection has no catalog.
        """
        return RecordedBucket(
            self.gateway, self.resources, self.ref, self.prefix, self.storage_class, self.require_records()
        )


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
        """Return whether a restore certainly goes on: if not, the object's head tells more."""
        async with self._lock:
            if len(self._waiting) < _MANY:
                return False
            if key not in self._listed:
                await self._list(key)
            state = self._listed.pop(key, None)  # each answer once, or it would grow old
            return state is not None and state.is_ongoing

    async def _list(self, key: str) -> None:
        """List a page from ``key`` on."""
        # A list begins behind ``after``, and the key without its last character comes before the key.
        page = await self._context.gateway.list_objects(self._context.ref, after=key[:-1] or None)
        self._listed = {entry.key: entry.restore for entry in page.items if entry.key in self._waiting}


async def find_head(context: BucketContext, key: str) -> ObjectHead:
    """Describe an object; the key is below the prefix, the head has the whole one.

    Raises:
        ObjectNotFoundError: There is none under this key.
    """
    whole_key = context.prefix + key
    with context.naming(key):
        try:
            return await context.gateway.head_object(context.ref, check_key(whole_key))
        except ObjectNotFoundError as error:
            bucket, folder = context.ref.name, key.rpartition("/")[0]
            # The answer to a HEAD has no text, and the status is the same without the bucket.
            error.args = (f"there is no object {object_url(bucket, whole_key)}, or no bucket {bucket}",)
            listed = object_url(bucket, context.prefix + folder)
            error.add_note(f"list the keys: aioglacier list {listed}, or bucket.objects({folder!r})")
            raise
