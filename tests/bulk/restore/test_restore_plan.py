"""The plan of a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderRestore, FolderVerify, RestoreOptions, Trouble, VerifyOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import ArchiveState
from aioglacier.core.errors import ConfigurationError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import Key, restore, troubles, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

PRICES = load_prices("us-east-1")


async def test_an_older_version_comes_back_where_the_newest_is_lost(place: Place, tmp_path: Path) -> None:
    """The restore says so, and verify reports it."""
    tree = write(tmp_path / "tree", {"a": b"old"})
    await place.sync(tree)
    first = {archive.id for archive in await place.archives()}
    write(tree, {"a": b"newer"})
    await place.sync(tree)
    (newest,) = [archive for archive in await place.archives() if archive.id not in first]
    async with place.vault() as vault:
        context = vault.context.recorded()
        await context.catalog.archives.record_state(context.key, newest.id, ArchiveState.SUSPECT)
    done = await restore(place, tmp_path / "back")
    assert (tmp_path / "back" / "a").read_bytes() == b"old"
    assert any("'a' is an older version" in notice for notice in done.notices)
    assert (Trouble.CHANGED, "a") in await troubles(place, tree)


async def test_what_an_identity_cannot_open_is_not_paid_for(place: Place, tmp_path: Path) -> None:
    """Files that were encrypted to others are named, and the rest comes back."""
    first, second = Key(tmp_path, "first"), Key(tmp_path, "second")
    tree = write(tmp_path / "tree", {"old": b"1" * 1000})
    await place.sync(tree, recipients=first.recipients)
    write(tree, {"new": b"2" * 1000})
    await place.sync(tree, recipients=second.recipients)
    async with place.vault() as vault:
        chosen = RestoreOptions(identities=second.identities)
        planned = FolderRestore(vault, tmp_path / "back", Budget(PRICES), chosen)
        for _ in range(2):  # a second plan counts them once
            await planned.plan()
            assert [failure.path for failure in planned.failures] == [b"old"]
    done = await restore(place, tmp_path / "back", identities=second.identities)
    assert [failure.path for failure in done.failures] == [b"old"]
    assert done.snapshot().jobs_started == 1
    assert (tmp_path / "back" / "new").read_bytes() == b"2" * 1000
    async with place.vault() as vault:
        options = VerifyOptions(sample=1, identities=Key(tmp_path, "third").identities)
        verify = FolderVerify(vault, tree, Budget(PRICES), options)
        with pytest.raises(ConfigurationError, match="nothing was asked for"):
            await verify.run()
