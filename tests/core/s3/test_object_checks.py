"""Names, keys and restores that S3 takes; what it refuses is in the tests of its caller."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import BucketNameError, InvalidPlanError, MetadataError, ObjectKeyError
from aioglacier.core.models import Tier
from aioglacier.core.s3.object_checks import check_bucket_name, check_key, check_metadata, check_restore


@pytest.mark.parametrize("name", ["abc", "a.b", "0-9", "a" * 63, "my.bucket-1.x", "1.2.3.4.5"])
def test_bucket_names_that_s3_takes(name: str) -> None:
    """The rules' limits are names."""
    assert check_bucket_name(name) == name


@pytest.mark.parametrize("name", ["a" * 64, "sthree-a", "amzn-s3-demo-a", "a--ol-s3", "abc\n", 5])
def test_bucket_names_that_s3_refuses(name: str) -> None:
    """Reserved words and what is no text are refused, with the name as an attribute."""
    with pytest.raises(BucketNameError) as caught:
        check_bucket_name(name)
    assert caught.value.name == str(name)


@pytest.mark.parametrize("key", ["a", "é" * 512, "a//b", "../a", ".", "\x00", " ", "a" * 1024])
def test_keys_that_s3_takes(key: str) -> None:
    """Any text of 1 to 1,024 bytes is a key."""
    assert check_key(key) == key


def test_a_key_that_is_too_long_is_named_by_its_size() -> None:
    """The message has the size in bytes, which is not the count of characters."""
    with pytest.raises(ObjectKeyError, match="has 1026"):
        check_key("é" * 513)


def test_metadata_at_the_limit() -> None:
    """Names and values count together, to 2,048 bytes."""
    assert check_metadata({"a": "x" * 2047})
    with pytest.raises(MetadataError, match="not 2049"):
        check_metadata({"a": "x" * 2047, "b": ""})


@pytest.mark.parametrize(
    ("storage_class", "tier", "days", "word"),
    [
        ("GLACIER", Tier.EXPEDITED, 1, None),
        ("GLACIER", None, 1, None),
        ("DEEP_ARCHIVE", Tier.BULK, 7, None),
        ("DEEP_ARCHIVE", "Standard", 7, None),
        ("INTELLIGENT_TIERING", Tier.STANDARD, None, None),
        (None, Tier.EXPEDITED, 1, None),
        ("DEEP_ARCHIVE", Tier.EXPEDITED, 7, "use Standard or Bulk"),
        ("GLACIER", "Fast", 1, "'Fast' is not a tier"),
        ("GLACIER", Tier.BULK, None, "needs days"),
        ("INTELLIGENT_TIERING", Tier.BULK, 3, "takes no days"),
        ("STANDARD", None, 1, "read at once"),
        ("GLACIER", None, True, "whole number"),
        ("GLACIER", None, -1, "whole number"),
    ],
)
def test_restores_by_class(storage_class: str | None, tier: Tier, days: int | None, word: str | None) -> None:
    """Each class has its tiers, and takes days or none."""
    if word is None:
        check_restore(tier, days, storage_class)
    else:
        with pytest.raises(InvalidPlanError, match=word):
            check_restore(tier, days, storage_class)
