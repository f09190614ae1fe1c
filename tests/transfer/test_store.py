"""A vault as a store of one archive, at a served Glacier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import UploadExpiredError
from aioglacier.core.limits import VAULT
from aioglacier.core.models import UploadId
from aioglacier.core.treehash import hash_part
from aioglacier.transfer.store import VAULT_RULES, GlacierStore

if TYPE_CHECKING:
    from tests.transfer.conftest import Served

DATA = memoryview(b"bytes")


async def test_an_archive_has_the_facts_that_were_sent(served: Served) -> None:
    """Whole or in parts, the archive names vault, size, hash and description."""
    store = GlacierStore(served.gateway, "v", "film")
    hashes = hash_part(DATA)
    whole = await store.store_whole(DATA, hashes, None)
    upload = await store.initiate(VAULT.min_part_size)
    await store.put_part(upload, 0, DATA, hashes, None)
    joined = await store.complete(upload, len(DATA), hashes.tree_hash)
    for archive in (whole, joined):
        assert (archive.vault, archive.size, archive.description) == ("v", 5, "film")
        assert archive.tree_hash == VAULT_RULES.proof(hashes)


async def test_an_upload_that_is_gone_has_expired(served: Served) -> None:
    """The error says that the parts are gone, for a part and for the completion."""
    store = GlacierStore(served.gateway, "v", None)
    gone, hashes = UploadId("a" * 92), hash_part(DATA)
    with pytest.raises(UploadExpiredError, match="24 hours"):
        await store.put_part(gone, 0, DATA, hashes, None)
    with pytest.raises(UploadExpiredError):
        await store.complete(gone, len(DATA), hashes.tree_hash)
