"""The place of a command, and the class that its prices are of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

import aioglacier
from aioglacier.cli.shared.places import check_class, class_of

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_class_of_a_bucket_is_that_of_its_objects(tmp_path: Path) -> None:
    """Sidecars in STANDARD do not decide while there is anything else; a vault has no class."""
    async with aioglacier.connect(endpoint_url=f"local:{tmp_path}") as glacier:
        assert await class_of(glacier.vault("photos")) is None
        await glacier.create_bucket("museum")
        bucket = glacier.bucket("museum")
        assert await class_of(bucket) == "STANDARD"
        await bucket.upload(b"sidecar", key="a", storage_class="STANDARD")
        assert await class_of(bucket) == "STANDARD"
        await bucket.upload(b"scan", key="b", storage_class="GLACIER_IR")
        assert await class_of(bucket) == "GLACIER_IR"


def test_a_bucket_needs_a_class_for_writing_and_a_vault_has_none() -> None:
    """Each message names the place and the option."""
    with pytest.raises(click.UsageError, match="s3://museum needs --storage-class"):
        check_class("s3://museum", None)
    with pytest.raises(click.UsageError, match="photos is a vault, which has no --storage-class"):
        check_class("photos", "GLACIER")
    check_class("photos", None)
    check_class("s3://museum", "GLACIER")
