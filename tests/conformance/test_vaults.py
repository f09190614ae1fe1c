"""Vaults: made, listed, described by a lagging inventory, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.core.errors import InvalidParameterError, VaultNameError, VaultNotFoundError
from aioglacier.core.limits import VAULT

if TYPE_CHECKING:
    from tests.conformance.conftest import Subject

DAY = 24 * 3600


async def test_create_vault_again_changes_nothing(subject: Subject) -> None:
    """Creating a vault that exists succeeds."""
    before = await subject.gateway.describe_vault(subject.vault)
    await subject.gateway.create_vault(subject.vault)
    assert await subject.gateway.describe_vault(subject.vault) == before


async def test_describe_vault_of_a_new_one_counts_nothing(subject: Subject) -> None:
    """Before the first inventory, all numbers are zero and the date is missing."""
    vault = await subject.gateway.describe_vault(subject.vault)
    assert (vault.name, vault.archive_count, vault.size, vault.inventoried) == (subject.vault, 0, 0, None)
    assert vault.arn.endswith(f":vaults/{subject.vault}")
    assert vault.created.utcoffset() is not None


async def test_describe_vault_lags_behind_uploads(subject: Subject) -> None:
    """The next inventory counts an archive, with 32 KiB of overhead."""
    await subject.store(b"november")
    assert (await subject.gateway.describe_vault(subject.vault)).archive_count == 0
    await subject.advance(DAY + 60)
    vault = await subject.gateway.describe_vault(subject.vault)
    assert (vault.archive_count, vault.size) == (1, 8 + VAULT.archive_overhead)
    assert vault.inventoried is not None


async def test_describe_vault_that_is_missing(subject: Subject) -> None:
    """The error names the vault, the operation and the service's request."""
    with pytest.raises(VaultNotFoundError, match="no-such-vault") as caught:
        await subject.gateway.describe_vault("no-such-vault")
    assert caught.value.vault == "no-such-vault"
    assert caught.value.operation == "DescribeVault"
    assert (caught.value.status, caught.value.code) == (404, "ResourceNotFoundException")
    assert caught.value.request_id


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 256, "é"])
async def test_vault_names_that_cannot_be_are_refused_unsent(subject: Subject, name: str) -> None:
    """Names that the service refuses, or that change the path of a URL, are refused before sending."""
    with pytest.raises(VaultNameError):
        await subject.gateway.create_vault(name)


async def test_list_vaults_pages_in_order(subject: Subject) -> None:
    """Pages join without gap or overlap, ordered by name."""
    names = [f"{subject.vault}-{number}" for number in range(5)]
    for name in names:
        await subject.gateway.create_vault(name)
    found: list[str] = []
    marker = None
    while True:
        page = await subject.gateway.list_vaults(limit=2, marker=marker)
        assert len(page.items) <= 2
        found += [vault.name for vault in page.items]
        if page.marker is None:
            break
        marker = page.marker
    assert [name for name in found if name.startswith(subject.vault)] == sorted([subject.vault, *names])
    for name in names:
        await subject.gateway.delete_vault(name)


async def test_delete_vault_that_was_never_used(subject: Subject) -> None:
    """An untouched vault is deleted at once."""
    await subject.gateway.delete_vault(subject.vault)
    with pytest.raises(VaultNotFoundError):
        await subject.gateway.describe_vault(subject.vault)


async def test_delete_vault_with_archives_is_refused(subject: Subject) -> None:
    """A vault with archives, or with writes since the last inventory, is not deleted."""
    await subject.store(b"november")
    with pytest.raises(InvalidParameterError, match="not empty or recently written to"):
        await subject.gateway.delete_vault(subject.vault)


async def test_delete_vault_works_a_day_after_its_last_archive_went(subject: Subject) -> None:
    """An emptied vault is deleted after an inventory has seen it empty."""
    archive_id = await subject.store(b"november")
    await subject.advance(DAY + 60)
    await subject.gateway.delete_archive(subject.vault, archive_id)
    with pytest.raises(InvalidParameterError):
        await subject.gateway.delete_vault(subject.vault)
    await subject.advance(DAY + 60)
    await subject.gateway.delete_vault(subject.vault)
