"""The options of one upload to a bucket, checked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aioglacier.core.checks import check_choice
from aioglacier.core.errors import InvalidPlanError, ResumeMismatchError, naming
from aioglacier.core.limits import S3
from aioglacier.core.models import ObjectTarget
from aioglacier.core.place import Place
from aioglacier.core.planning import choose_part_size
from aioglacier.core.s3.object_checks import check_key, check_settings
from aioglacier.core.s3.objects import AUTO, DESCRIPTION_NAME, ChecksumAlgorithm, ObjectSettings, StorageClass
from aioglacier.transfer.object_store import RULES
from aioglacier.transfer.upload.writer import UploadOptions

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from aioglacier.core.s3.objects import BucketRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions(UploadOptions):
    """The options of one upload to a bucket. ``vault`` is the place, as ``s3://BUCKET/PREFIX``.

    Attributes:
        key: The key below the prefix.
        algorithm: Of the checksums: SHA256 or CRC64NVME.
        falls_back: Whether MD5 takes its place at a store that has no additional checksums.
        overwrite: Whether an object under the key may be replaced.
        token: The random word in the object's metadata by which a lost answer is settled; ``None`` for an
            upload that another machine has begun.

    Raises:
        InvalidPlanError: S3 would refuse the key or the settings.
    """

    ref: BucketRef
    prefix: str
    key: str
    settings: ObjectSettings
    algorithm: ChecksumAlgorithm = ChecksumAlgorithm.SHA256
    falls_back: bool = False
    overwrite: bool = False
    token: str | None = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        UploadOptions.__post_init__(self)
        check_key(self.whole_key)
        check_settings(self.settings)
        choose_part_size(self.expected_size or None, self.part_size, S3)  # an object may be empty
        if self.algorithm not in RULES:
            names = f"{AUTO}, {' or '.join(RULES)}"
            raise InvalidPlanError(f"objects are written with {names}, not {self.algorithm}")

    @property
    def whole_key(self) -> str:
        """The key with its prefix."""
        return self.prefix + self.key

    @property
    def place(self) -> str:
        """See ``SendOptions``."""
        return f"s3://{self.ref.name}/{self.whole_key}"

    @property
    def target(self) -> ObjectTarget | None:
        """See ``UploadOptions``."""
        algorithm = AUTO if self.falls_back else self.algorithm
        return ObjectTarget(self.key, self.settings.storage_class, algorithm, self.token, self.overwrite)

    def as_begun(self, part_size: int, target: ObjectTarget | None) -> ObjectOptions:
        """See ``UploadOptions``."""
        if target is None:
            return replace(self, part_size=part_size, token=None)
        for what, begun, wanted in (
            ("class", target.storage_class, self.settings.storage_class),
            ("checksum", target.algorithm, AUTO if self.falls_back else self.algorithm),
        ):
            if begun != wanted:
                raise ResumeMismatchError(
                    f"the unfinished upload to {self.place} was begun with {what} {begun}, but now it is "
                    f"{wanted}; name {begun}, or abort that upload"
                )
        return replace(self, part_size=part_size, key=target.key, token=target.token)

    def naming(self) -> AbstractContextManager[None]:
        """See ``SendOptions``."""
        return naming(bucket=self.ref.name, key=self.whole_key)


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


def object_options(
    ref: BucketRef,
    prefix: str,
    key: str,
    description: str | None = None,
    *,
    storage_class: StorageClass | str | None,
    settings: ObjectSettings | None,
    algorithm: ChecksumAlgorithm | str,
    overwrite: bool,
    part_size: int | None,
    expected_size: int | None,
    keep_unfinished: bool,
) -> ObjectOptions:
    """Return the options of an upload to a key below a prefix.

    Raises:
        InvalidPlanError: No class is named, or S3 would refuse the key or a setting.
    """
    given, is_auto = settings or ObjectSettings(), algorithm == AUTO
    metadata = {**given.metadata, DESCRIPTION_NAME: description} if description else given.metadata
    return ObjectOptions(
        str(Place(ref.name, prefix)),
        description,
        part_size,
        expected_size,
        keep_unfinished,
        ref=ref,
        prefix=prefix,
        key=key,
        settings=replace(given, storage_class=check_class(storage_class), metadata=metadata),
        algorithm=ChecksumAlgorithm.SHA256
        if is_auto
        else check_choice("checksum", ChecksumAlgorithm, algorithm),
        falls_back=is_auto,
        overwrite=overwrite,
    )
