"""Checks a bucket before any archive that moves to it is paid for.

The check uses each right that a move needs once, with an object beside the manifest. Otherwise a right that
the policy of the bucket or of its KMS key does not grant would be missed only after days. For example, only
a caller with the right to decrypt can complete an encrypted multipart upload.

The object stays, since a move needs no right to delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aioglacier.core.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    IntegrityError,
    ResourceNotFoundError,
)
from aioglacier.core.s3.objects import ChecksumAlgorithm, ObjectSettings
from aioglacier.core.treehash import hash_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.core.s3.objects import LifecycleRule
    from aioglacier.migrate.bucket_target import BucketTarget

_CONTENT: Final = b"aioglacier may write here\n"


async def look_at_bucket(bucket: Bucket, target: BucketTarget) -> list[str]:
    """Check that a bucket is there and belongs to its owner; nothing is written.

    Returns:
        Sentences about what its owner should know or change: lifecycle rules, versions, Object Lock.

    Raises:
        BucketNotFoundError: There is no such bucket.
        AccessDeniedError: Another account owns it, or it may not be used.
    """
    await check_bucket(target)
    with target.naming():
        found = _rule_notices(target, await bucket.lifecycle_rules())
        found += await _version_notices(target)
        return found + await _lock_notices(target)


async def check_bucket(target: BucketTarget) -> None:
    """See that the bucket is there and belongs to its owner.

    Raises:
        BucketNotFoundError: There is no such bucket.
        AccessDeniedError: Another account owns it, or it may not be used.
    """
    name, owner = target.ref.name, target.ref.owner
    with target.naming():
        try:
            await target.gateway.head_bucket(target.ref)
        except BucketNotFoundError as error:
            error.add_note(f"there is no bucket {name}: make it first, in the region that is named")
            raise
        except AccessDeniedError as error:  # the answer to a HEAD gives no reason
            error.add_note(f"or {name} belongs to another account than {owner}")
            raise


def _rule_notices(target: BucketTarget, rules: list[LifecycleRule] | None) -> list[str]:
    if rules is None:
        return [
            f"the lifecycle rules of {target.ref.name} may not be read; one should abort unfinished uploads"
        ]
    found = [
        f"lifecycle rule {rule.id!r} of {target.ref.name} deletes objects below {rule.prefix!r}, so also "
        "moved archives; disable it before you delete them in the vault"
        for rule in rules
        if rule.deletes
    ]
    found += [
        f"lifecycle rule {rule.id!r} of {target.ref.name} moves objects on to {' and '.join(rule.moves_to)}"
        for rule in rules
        if rule.moves_to
    ]
    if not any(rule.abort_uploads_after_days for rule in rules):
        advice = "add a rule with AbortIncompleteMultipartUpload, or S3 keeps and bills one for ever"
        found.append(
            f"bucket {target.ref.name} has no lifecycle rule that aborts unfinished uploads; {advice}"
        )
    return found


async def _version_notices(target: BucketTarget) -> list[str]:
    try:
        is_versioned = await target.gateway.get_bucket_versioning(target.ref)
    except AccessDeniedError:
        return [f"whether {target.ref.name} keeps versions may not be read"]
    if is_versioned:
        return []
    return [f"bucket {target.ref.name} keeps no versions: an object that is deleted or replaced is gone"]


async def _lock_notices(target: BucketTarget) -> list[str]:
    try:
        lock = await target.gateway.get_object_lock(target.ref)
    except (AccessDeniedError, ResourceNotFoundError):
        return []  # the usual case is a bucket without Object Lock
    if lock.mode is None:
        return []
    kept = f"each new object for {lock.period} in mode {lock.mode}"
    return [f"Object Lock of {target.ref.name} keeps {kept}: it cannot be deleted before, and is billed"]


async def rehearse(target: BucketTarget, folder: str, tags: Mapping[str, str]) -> None:
    """Make each kind of request that a move makes, in a folder below the prefix.

    Raises:
        AccessDeniedError: A policy of the bucket or of its KMS key does not allow one of them.
    """
    gateway, ref, key = target.gateway, target.ref, f"{target.prefix}{folder}probe"
    settings, hashes = ObjectSettings(tags=tags), hash_part(_CONTENT)
    with target.naming(f"{folder}probe"):
        await gateway.put_object(
            ref,
            key,
            memoryview(_CONTENT),
            hashes=hashes,
            settings=settings,
            overwrite=True,  # the probe of an earlier run is still there
        )
        async with gateway.get_object(ref, key) as output:
            back = b"".join([block async for block in output])
        if back != _CONTENT:
            raise IntegrityError(
                f"{key} came back with other bytes",
                expected=hashes.tree_hash,
                actual=hash_part(back).tree_hash,
            )
        # Without this right S3 answers a HEAD for a missing key with 403 in place of 404.
        await gateway.list_objects(ref, prefix=key, limit=1)
        upload_id = await gateway.create_multipart_upload(
            ref, key, settings=settings, algorithm=ChecksumAlgorithm.SHA256
        )
        try:
            await gateway.list_parts(ref, key, upload_id)
            await gateway.list_multipart_uploads(ref, prefix=key)
        finally:
            await gateway.abort_multipart_upload(ref, key, upload_id)
