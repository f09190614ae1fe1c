"""Encrypted files of a folder come back with their key."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderRestore, RestoreOptions
from aioglacier.bulk.formats.age import read_identities, read_recipients
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.bulk.restore.unseal_files import unseal_file
from aioglacier.core.errors import ConfigurationError, IntegrityError
from aioglacier.core.spending import Budget
from tests.bulk.conftest import MIB, Key, picture, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("compress", [False, True])
async def test_an_encrypted_folder_comes_back_exact(
    place: Place, tree: Path, tmp_path: Path, key: Key, compress: bool
) -> None:
    """Small files and a big one, with all their facts; the second time nothing is asked for."""
    (tree / "big").write_bytes(os.urandom(17 * MIB + 5))
    os.setxattr(tree / "big", "user.note", b"of a big file")
    done = await place.sync(tree, recipients=key.recipients, compress=compress)
    assert done.archives == 2
    await place.restore(tmp_path / "back", identities=key.identities)
    assert picture(tmp_path / "back") == picture(tree)
    again = await place.sync(tree, recipients=key.recipients, compress=compress)
    assert (again.requests, again.unchanged) == (0, again.looked_at)


async def test_one_member_of_an_encrypted_bundle_comes_back_by_a_range(
    place: Place, tmp_path: Path, key: Key
) -> None:
    """Little more than the member is retrieved."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(24):
        (tree / f"f{number:02}").write_bytes(os.urandom(MIB // 2))
    await place.sync(tree, recipients=key.recipients)
    done = await place.restore(
        tmp_path / "back", selection=SelectionOptions(patterns=["f11"]), identities=key.identities
    )
    assert (tmp_path / "back" / "f11").read_bytes() == (tree / "f11").read_bytes()
    async with place.vault() as vault:
        sizes = [job.byte_range.size async for job in vault.jobs() if job.byte_range is not None]
    assert sizes
    assert max(sizes) <= 2 * MIB
    assert done.restored == 1


async def test_an_encrypted_folder_is_not_retrieved_without_a_key_that_fits(
    place: Place, tree: Path, tmp_path: Path, key: Key
) -> None:
    """Nothing is asked for, so nothing is paid for what could not be read."""
    await place.sync(tree, recipients=key.recipients)
    other = Key(tmp_path, "other")
    async with place.vault() as vault:
        for identities, said in ((None, "--identity"), (other.identities, key.recipient)):
            restore = FolderRestore(
                vault,
                tmp_path / "back",
                Budget(load_prices("us-east-1")),
                RestoreOptions(identities=identities),
            )
            with pytest.raises(ConfigurationError, match=said):
                await restore.run()
        assert [job async for job in vault.jobs()] == []


async def test_every_recipient_can_read(place: Place, tree: Path, tmp_path: Path, key: Key) -> None:
    """One of them is a key of OpenSSH."""
    ssh = tmp_path / "id_ed25519"
    subprocess.run(  # noqa: ASYNC221
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh], check=True, timeout=30
    )
    public = " ".join((tmp_path / "id_ed25519.pub").read_text().split()[:2])
    file = tmp_path / "recipients"
    file.write_text(f"# both\n{key.recipient}\n\n{public}\n")
    await place.sync(tree, recipients=read_recipients([], [file]))
    for number, identity in enumerate((key.file, ssh)):
        await place.restore(tmp_path / f"back{number}", identities=read_identities([identity]))
        assert picture(tmp_path / f"back{number}") == picture(tree)


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_a_file_that_is_not_opened_leaves_what_another_run_can_use(
    place: Place, tmp_path: Path, key: Key, *, is_damaged: bool
) -> None:
    """With another key the encrypted file stays, so that it is paid for once; a damaged one goes."""
    tree = write(tmp_path / "tree", {"file": b"archived"})
    await place.sync(tree)
    async with place.vault() as vault:
        assert vault.records is not None
        catalog = vault.records.catalog
        (record,) = await catalog.trees.list(vault.records.key)
        found = await catalog.entries.stored_at(record, b"file", None)
    assert found is not None
    work = write(tmp_path / "work", {"plain": b"of a former run"})
    assert key.recipients is not None
    (work / "sealed").write_bytes(key.recipients.seal(b"other content"))
    keys, error = (key, IntegrityError) if is_damaged else (Key(tmp_path, "other"), ConfigurationError)
    folder = os.open(work, os.O_RDONLY)
    try:
        with pytest.raises(error) as caught:
            unseal_file(folder, b"sealed", b"plain", found.entry, keys.identities)
    finally:
        os.close(folder)
    assert [path.name for path in work.iterdir()] == ([] if is_damaged else ["sealed"])
    if isinstance(caught.value, IntegrityError):
        assert caught.value.expected == found.entry.content_hash
