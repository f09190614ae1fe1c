"""The options of an upload to a bucket."""

from __future__ import annotations

from typing import Any

import pytest

from aioglacier.core.errors import InvalidPlanError, ObjectKeyError, ResumeMismatchError
from aioglacier.core.s3.objects import BucketRef, ObjectSettings, StorageClass
from aioglacier.recorded.buckets.object_options import ObjectOptions, object_options


def options(key: str = "a", **changes: Any) -> ObjectOptions:
    """Return the options of an upload to the bucket museum."""
    given: dict[str, Any] = {
        "storage_class": "glacier_ir",
        "settings": None,
        "algorithm": "sha256",
        "overwrite": False,
        "part_size": None,
        "expected_size": None,
        "keep_unfinished": False,
    }
    return object_options(BucketRef("museum"), "scans/", key, "film", **given | changes)


def test_options_hold_the_whole_key() -> None:
    """The prefix begins the key, and the description joins the metadata."""
    found = options(settings=ObjectSettings(metadata={"year": "1907"}))
    assert (found.place, found.whole_key) == ("s3://museum/scans/a", "scans/a")
    assert found.settings.storage_class is StorageClass.GLACIER_IR
    assert found.settings.metadata == {"year": "1907", "aioglacier-description": "film"}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"storage_class": None}, InvalidPlanError, "name a storage class"),
        ({"storage_class": "EXPRESS_ONEZONE"}, InvalidPlanError, "is not a storage class"),
        ({"algorithm": "CRC32"}, InvalidPlanError, "SHA256 or CRC64NVME"),
        ({"key": "k" * 2000}, ObjectKeyError, "1,?024"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], error: type[Exception], words: str) -> None:
    """The class is never chosen for the caller, and what S3 would refuse is not sent."""
    with pytest.raises(error, match=words):
        options(**changes)


def test_an_upload_goes_on_as_it_was_begun() -> None:
    """Token and key are those on record; another class is refused; without a record there is no token."""
    begun = options("other").target
    assert begun is not None
    assert options().as_begun(8 << 20, begun).token == begun.token
    assert options().as_begun(8 << 20, begun).key == "other"
    assert options().as_begun(8 << 20, None).token is None
    with pytest.raises(ResumeMismatchError, match="was begun with class GLACIER_IR"):
        options(storage_class="DEEP_ARCHIVE").as_begun(8 << 20, begun)
