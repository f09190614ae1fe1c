"""Archives are asked for once: of a vault, and of a bucket of any class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.places.any_place import is_asked_for, retrieve_once, wait_for_content
from aioglacier.client.job import Job
from aioglacier.core.models import Tier
from aioglacier.core.treehash import tree_hash
from tests.bulk.conftest import Place

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"november"


async def test_an_archive_of_a_vault_is_asked_for_once(tmp_path: Path) -> None:
    """A job that runs is found again, and tells size and hash once it is done."""
    async with Place(tmp_path).vault() as vault:
        archive = await vault.upload(DATA)
        assert not await is_asked_for(vault, archive.id)
        job = await retrieve_once(vault, archive.id, Tier.STANDARD, 1)
        assert await is_asked_for(vault, archive.id)
        again = await retrieve_once(vault, archive.id, Tier.STANDARD, 1)
        assert isinstance(again, Job)
        assert (again.is_new, repr(again)) == (False, repr(job))
        assert await wait_for_content(job) == (len(DATA), tree_hash(DATA))


@pytest.mark.parametrize("storage_class", ["GLACIER_IR", "DEEP_ARCHIVE"])
async def test_an_object_is_asked_for_where_its_class_needs_it(tmp_path: Path, storage_class: str) -> None:
    """One that reads at once costs no retrieval; the other is restored, and then read as well."""
    async with Place(tmp_path, storage_class).bucket() as bucket:
        stored = await bucket.upload(DATA, key="k")
        assert await is_asked_for(bucket, stored.key) is (storage_class == "GLACIER_IR")
        restore = await retrieve_once(bucket, stored.key, Tier.STANDARD, 1)
        assert await is_asked_for(bucket, stored.key)
        assert await wait_for_content(restore) == (len(DATA), None)
