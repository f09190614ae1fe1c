"""Checks of buckets, keys, settings and restores that refuse early what S3 would refuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aioglacier.core.checks import check_aware, check_choice, is_text
from aioglacier.core.errors import (
    BucketNameError,
    InvalidIdError,
    InvalidPlanError,
    MetadataError,
    ObjectKeyError,
)
from aioglacier.core.limits import S3
from aioglacier.core.models import Tier
from aioglacier.core.s3.objects import RESTORE_TIERS, StorageClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aioglacier.core.s3.objects import ObjectSettings

_BUCKET_NAME: Final = re.compile(r"(?!xn--|sthree-|amzn-s3-demo-)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")

#: Suffixes of access points, tables and directory buckets, which keep no archives (S3 user guide, "Bucket
#: naming rules").
_OTHER_KINDS: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

#: The characters of a header's name and value that come back as they went; S3 trims spaces at the ends.
_METADATA_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_METADATA_VALUE: Final = re.compile(r"(?! )[ -~]*(?<! )")

_UPLOAD_ID: Final = re.compile(r"[!-~]{1,1024}")
_ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
_LOCK_MODES: Final = ("GOVERNANCE", "COMPLIANCE")


def check_bucket_name(name: str) -> str:
    """Return the name, or refuse it.

    Raises:
        BucketNameError: It does not follow S3's rules, or is the name of another kind of bucket.
    """
    if not is_text(name) or not _BUCKET_NAME.fullmatch(name) or _IP_ADDRESS.fullmatch(name):
        raise BucketNameError(
            f"{name!r} is not a bucket name: 3 to 63 characters of a-z, 0-9, '-' and '.', a letter or digit "
            "at both ends, no '..', no IP address",
            name=str(name),
        )
    if name.endswith(_OTHER_KINDS):  # their requests go to other hosts, under other rules
        raise BucketNameError(
            f"{name!r} names an access point or a directory bucket; name a general purpose bucket", name=name
        )
    return name


def check_owner(owner: str | None) -> str | None:
    """Return the account that must own a bucket, or refuse what is no account.

    Raises:
        InvalidPlanError: It is not 12 digits.
    """
    if owner is not None and not re.fullmatch(r"[0-9]{12}", owner):
        raise InvalidPlanError(f"the owner of a bucket is an account of 12 digits, not {owner!r}")
    return owner


def check_key(key: str) -> str:
    """Return the key, or refuse it.

    Raises:
        ObjectKeyError: It is empty, longer than 1,024 bytes, or no text that UTF-8 can hold.
    """
    if not is_text(key) or not key:
        raise ObjectKeyError(f"{key!r} is not an object key; give at least one character")
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise ObjectKeyError(f"the key {key!r} is not text: {error.reason}; rename it") from error
    if size > S3.max_key_size:
        raise ObjectKeyError(
            f"a key has at most {S3.max_key_size} bytes in UTF-8; {key[:40]!r}... has {size}; shorten it"
        )
    return key


def check_upload_id(upload_id: str) -> str:
    """Return the id of an upload, or refuse it. S3's ids have other characters than a vault's, "." for one.

    Raises:
        InvalidIdError: It is empty, longer than 1,024 characters, or not printable ASCII without spaces.
    """
    if is_text(upload_id) and _UPLOAD_ID.fullmatch(upload_id):
        return upload_id
    raise InvalidIdError(
        f"{upload_id!r} is not a valid upload id: 1 to 1024 printable ASCII characters without spaces",
        kind="upload",
        value=upload_id,
    )


def check_settings(settings: ObjectSettings) -> ObjectSettings:
    """Return the settings of an object, or refuse them.

    Raises:
        MetadataError: Metadata or tags that S3 refuses or changes.
        InvalidPlanError: Another word that S3 does not know.
    """
    check_choice("storage class", StorageClass, settings.storage_class)
    check_metadata(settings.metadata)
    _check_tags(settings.tags)
    for what, value, allowed in (
        ("encryption", settings.encryption, _ENCRYPTIONS),
        ("lock mode", settings.lock_mode, _LOCK_MODES),
    ):
        if value is not None and value not in allowed:
            raise InvalidPlanError(f"{value!r} is not an {what}: choose one of {', '.join(allowed)}")
    for what, value in (("content type", settings.content_type), ("KMS key", settings.kms_key)):
        if value is not None and not _METADATA_VALUE.fullmatch(value):
            raise InvalidPlanError(f"a {what} is printable ASCII, not {value!r}")
    if (settings.lock_mode is None) != (check_aware("locked_until", settings.locked_until) is None):
        raise InvalidPlanError("an Object Lock needs both lock_mode and locked_until")
    return settings


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return user metadata, or refuse it.

    Raises:
        MetadataError: More than 2 KB, or a name or value that would not come back as it is.
    """
    for name, value in metadata.items():
        if not is_text(name) or not _METADATA_NAME.fullmatch(name):
            raise MetadataError(
                f"{name!r} is not a metadata name: a-z, 0-9 and '-', as S3 gives names back in lower case"
            )
        if not is_text(value) or not _METADATA_VALUE.fullmatch(value):
            raise MetadataError(
                f"the metadata {name!r} must be printable ASCII without a space at an end, not {value!r}; "
                "encode it, for example as percent escapes"
            )
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > S3.max_metadata_size:
        raise MetadataError(
            f"metadata has at most {S3.max_metadata_size} bytes of names and values, not {size}; shorten it"
        )
    return metadata


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > S3.max_tags:
        raise MetadataError(f"an object has at most {S3.max_tags} tags, not {len(tags)}")
    for key, value in tags.items():
        if not is_text(key) or not is_text(value):
            raise MetadataError(f"keys and values of tags are str, not {key!r}: {value!r}")
        if not 1 <= len(key) <= S3.max_tag_key_length or len(value) > S3.max_tag_value_length:
            raise MetadataError(
                f"a tag has a key of 1 to {S3.max_tag_key_length} characters and a value of at most "
                f"{S3.max_tag_value_length}, unlike {key!r}"
            )


def check_restore(tier: Tier | str | None, days: int | None, storage_class: str | None = None) -> None:
    """Refuse a restore that S3 would refuse, or would start for nothing.

    Args:
        tier: ``None`` for the service's choice, which is Standard.
        days: The life of the copy; ``None`` for INTELLIGENT_TIERING, which takes none.
        storage_class: Of the object, if it is known.

    Raises:
        InvalidPlanError: The class reads at once, lacks the tier, or takes no such days.
    """
    if tier is not None:
        tier = check_choice("tier", Tier, tier)
    if days is not None and (type(days) is not int or days < 1):
        raise InvalidPlanError(f"days is a whole number from 1 on, not {days!r}")
    if storage_class is None:
        return
    tiers = RESTORE_TIERS.get(storage_class)
    if tiers is None:
        raise InvalidPlanError(f"an object in {storage_class} is read at once; do not restore it")
    if tier is not None and tier not in tiers:
        allowed = " or ".join(str(each) for each in tiers)
        raise InvalidPlanError(f"{storage_class} has no tier {tier}; use {allowed}")
    if (days is None) != (storage_class == StorageClass.INTELLIGENT_TIERING):
        takes = "takes no" if days is not None else "needs"
        raise InvalidPlanError(f"a restore from {storage_class} {takes} days")
