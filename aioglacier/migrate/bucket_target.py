"""The bucket that archives move to: its gateway, its name and owner, and the prefix of its keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aioglacier.core.errors import ObjectExistsError, ObjectNotFoundError, naming
from aioglacier.core.s3.objects import object_url
from aioglacier.gateway.contract.paging import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractContextManager

    from aioglacier.bulk.archives.move_run import MoveProgress
    from aioglacier.catalog.records import MoveRecord
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.core.s3.objects import BucketRef, ObjectEntry, ObjectHead, ObjectSettings, StorageClass
    from aioglacier.gateway.s3.gateway import S3Gateway
    from aioglacier.migrate.move_costs import Classes
    from aioglacier.recorded.vault_context import RecordedVault
    from aioglacier.transfer.resources import TransferResources


@dataclass(frozen=True, slots=True)
class BucketTarget:
    """A bucket of an open connection, and the prefix of its keys."""

    gateway: S3Gateway
    resources: TransferResources
    ref: BucketRef
    prefix: str

    @classmethod
    async def of(cls, bucket: Bucket) -> BucketTarget:
        """Open the gateway of a bucket."""
        context = bucket.context
        # A moved part was just received: to hand it to a worker process costs 16 % more CPU than a thread.
        resources = replace(context.resources, hasher=context.resources.hasher.in_threads())
        return cls(context.gateway, resources, context.ref, context.prefix)

    @property
    def url(self) -> str:
        """The target as people write it."""
        return object_url(self.ref.name, self.prefix)

    def naming(self, name: str | None = None) -> AbstractContextManager[None]:
        """Set bucket and key on every error that leaves the block."""
        return naming(bucket=self.ref.name, key=None if name is None else self.prefix + name)

    async def head(self, name: str) -> ObjectHead | None:
        """Describe the object of a name, ``None`` if there is none."""
        with self.naming(name):
            try:
                return await self.gateway.head_object(self.ref, self.prefix + name)
            except ObjectNotFoundError:
                # Without the right to list, S3 answers 403 instead, so ``rehearse`` tries that right first.
                return None

    async def objects(self, name: str) -> AsyncIterator[ObjectEntry]:
        """Iterate over the objects whose names begin with ``name``, by key."""
        async for entry in follow(
            "ListObjectsV2",
            lambda marker: self.gateway.list_objects(self.ref, prefix=self.prefix + name, marker=marker),
        ):
            yield entry

    def exists(self, name: str, what: str, difference: str) -> ObjectExistsError:
        """Return the error for an object that is not what it should be."""
        error = ObjectExistsError(
            f"s3://{self.ref.name}/{self.prefix}{name} is not {what}: {difference}. It was left as it is; "
            "move it away, or choose another prefix",
            operation="HeadObject",
            code="",
            status=200,
        )
        error.bucket, error.key = self.ref.name, self.prefix + name
        return error


@dataclass(frozen=True, slots=True)
class BucketMove:
    """A move to a bucket, as those who carry its archives share it.

    Attributes:
        settings: The tags of each object.
        classes: The class of each object.
        progress: The counters of the run.
    """

    context: RecordedVault
    move: MoveRecord
    target: BucketTarget
    settings: ObjectSettings
    classes: Classes
    progress: MoveProgress

    def settings_for(self, storage_class: StorageClass, metadata: Mapping[str, str]) -> ObjectSettings:
        """Return the settings of an object of this class."""
        return replace(self.settings, storage_class=storage_class, metadata=metadata)
