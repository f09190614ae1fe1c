"""Vaults on record: one row for each, whatever its port."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import CatalogMismatchError
from aioglacier.core.models import JobAction, JobId
from tests.catalog.conftest import NOON, PHOTOS, archive

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.catalog import Catalog


async def test_an_account_stays(catalog: Catalog) -> None:
    """With other credentials "-" means another account, whose records are not mixed with these."""
    assert await catalog.facts_of(PHOTOS) == (None, None)
    await catalog.confirm_account(PHOTOS, "111122223333")
    await catalog.confirm_account(PHOTOS, "111122223333")
    assert await catalog.facts_of(PHOTOS) == ("111122223333", None)
    with pytest.raises(CatalogMismatchError, match="another account"):
        await catalog.confirm_account(PHOTOS, "444455556666")


async def test_a_job_is_the_same_at_another_port(catalog: Catalog) -> None:
    """A job is refused in another vault, and not where its vault has moved."""
    here, there = (replace(PHOTOS, endpoint=f"http://127.0.0.1:{port}") for port in (8080, 8081))
    job = await catalog.jobs.record_intent(here, JobAction.INVENTORY_RETRIEVAL)
    await catalog.jobs.record_initiated(job, JobId("one"))
    await catalog.archives.note_vault(here, "", NOON)
    with pytest.raises(CatalogMismatchError, match="8081"):
        await catalog.jobs.find(there, JobId("one"))
    await catalog.archives.note_vault(there, "", NOON)
    assert await catalog.jobs.find(there, JobId("one"))


async def test_a_vault_keeps_its_records_in_another_folder(catalog: Catalog, tmp_path: Path) -> None:
    """A copy of a folder is another place, a folder that was renamed is the same."""
    here, there = (replace(PHOTOS, endpoint=f"local:{tmp_path / name}") for name in ("one", "two"))
    (tmp_path / "one").mkdir()
    await catalog.archives.record(here, archive(1))
    await catalog.archives.note_vault(here, "", NOON)
    assert not here.may_have_moved_to(there.endpoint)
    (tmp_path / "one").rmdir()
    await catalog.archives.note_vault(there, "", NOON)
    assert await catalog.archives.get(there, archive(1).id)


async def test_a_vault_keeps_its_records_at_another_port(catalog: Catalog) -> None:
    """Only a vault of the same name, host and date is the same; an account or another host is not ignored."""
    here, there = (replace(PHOTOS, endpoint=f"http://127.0.0.1:{port}") for port in (8080, 8081))
    await catalog.archives.record(here, archive(1))
    await catalog.archives.note_vault(here, "", NOON)
    for key, created in ((there, NOON + timedelta(1)), (replace(there, endpoint="http://other:1"), NOON)):
        await catalog.archives.note_vault(key, "", created)
        assert await catalog.archives.get(key, archive(1).id) is None
    moved = replace(PHOTOS, endpoint="http://127.0.0.1:8082")
    await catalog.archives.note_vault(moved, "", NOON)
    found = await catalog.archives.get(moved, archive(1).id)
    assert found is not None
    assert moved in await catalog.archives.vault_keys("photos")
    assert here not in await catalog.archives.vault_keys("photos")
