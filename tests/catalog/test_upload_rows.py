"""A recording method returns the record as it is in the catalog, though it reads only what can change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aioglacier.catalog.records import UploadNumber
from aioglacier.core.errors import CatalogError
from aioglacier.core.models import ObjectTarget, UploadId
from aioglacier.files.reading import FileIdentity
from tests.catalog.conftest import PHOTOS, TREE_HASH

if TYPE_CHECKING:
    from aioglacier.catalog import Catalog

INTENTS: list[dict[str, Any]] = [
    {"description": "a\\b\x00c"},
    {"source": "/\udce9", "identity": FileIdentity(1, 2, 3, 4, 5), "size": 3},
    {"size": 3, "tree_hash": TREE_HASH},
    {"size": 3, "tree_hash": b""},
    {"target": ObjectTarget("a\x00b", "STANDARD", "SHA256", "token", overwrites=True)},
]


@pytest.mark.parametrize("facts", INTENTS, ids=" ".join)
async def test_an_intent_is_returned_as_it_is_on_record(catalog: Catalog, facts: dict[str, Any]) -> None:
    """All its facts, also those with characters that a database cannot hold."""
    upload = await catalog.uploads.record_intent(PHOTOS, part_size=1, **facts)
    assert upload == await catalog.uploads.get(upload.number)


async def test_a_step_from_an_old_record_returns_the_new_facts(catalog: Catalog) -> None:
    """The caller's record may be from before steps that another made."""
    old = await catalog.uploads.record_intent(PHOTOS, part_size=1, source="/a")
    other = await catalog.uploads.record_initiated(old, UploadId("one"))
    await catalog.uploads.record_failed(other, "it \\ went")
    uploads = catalog.uploads
    assert await uploads.record_initiated(old, UploadId("one")) == await uploads.get(old.number)
    completing = await uploads.record_completing(old, size=3, tree_hash=TREE_HASH)
    assert completing == await uploads.get(old.number)
    assert await uploads.record_reopened(old) == await uploads.get(old.number)


async def test_a_step_of_an_unknown_upload_is_refused(catalog: Catalog) -> None:
    """It may be one of another catalog."""
    known = await catalog.uploads.record_intent(PHOTOS, part_size=1)
    unknown = replace(known, number=UploadNumber(known.number + 1))
    with pytest.raises(CatalogError, match="no upload number"):
        await catalog.uploads.record_completing(unknown, size=3, tree_hash=TREE_HASH)
