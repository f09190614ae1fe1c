"""A catalog that was lost is filled again from the ends of bundles, and what was archived comes back."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aioglacier.bulk.formats.age import read_identities, read_recipients
from aioglacier.bulk.formats.bundle_format import FORMAT, SKIPPABLE_SIZE, checked_text, short_hash
from aioglacier.bulk.formats.zstd import skippable_frame
from aioglacier.bulk.places.vault_place import JobRetriever, VaultPlace
from aioglacier.bulk.recover import FolderRecovery
from aioglacier.bulk.restore.bundle_reader import BundleReader
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.core.errors import ConfigurationError, CostLimitError, IntegrityError
from aioglacier.core.models import Tier
from aioglacier.core.spending import Budget
from tests.bulk.conftest import (
    MIB,
    PRICES,
    Key,
    forget_catalog,
    lose_catalog,
    make_tree,
    picture,
    recover,
    take_inventory,
    write,
)
from tests.bulk.formats.test_bundle_index import index_of
from tests.bulk.test_kills import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bulk.conftest import Place


@pytest.mark.parametrize(("compress", "is_sealed"), [(False, False), (True, False), (True, True)])
async def test_all_of_a_folder_comes_back_without_the_catalog(
    place: Place, tree: Path, tmp_path: Path, compress: bool, is_sealed: bool
) -> None:
    """Of two syncs the later versions, and by time those before; a sync after it sends nothing again."""
    key = Key(tmp_path)
    sealing = {"recipients": key.recipients} if is_sealed else {}
    opening: dict[str, Any] = {"identities": key.identities} if is_sealed else {}
    naming: dict[str, Any] = {"folder": str(tree)} if is_sealed else {}
    await place.sync(tree, compress=compress, **sealing)
    await anyio.sleep(1.1)  # the service tells instants by the second
    (tree / "private").write_bytes(b"another secret")
    (tree / "new").write_bytes(os.urandom(3000))
    await place.sync(tree, compress=compress, **sealing)
    await lose_catalog(place)
    done = await recover(place, **opening, **naming)
    assert (done.bundles, done.damaged, done.roots) == (2, [], {str(tree)})
    await place.restore(tmp_path / "back", **opening)
    # That the folder was changed later is nowhere but in the catalog, as nothing of it was sent again.
    os.utime(tmp_path / "back", ns=(0, picture(tree)[b"."].mtime_ns))
    assert picture(tmp_path / "back") == picture(tree)
    again = await place.sync(tree, **sealing)
    assert (again.requests, again.removed) == (0, 0)
    assert (await recover(place, **opening, **naming)).jobs_started == 0


async def test_renames_that_a_catalog_lost_come_with_the_next_sync(place: Place, tmp_path: Path) -> None:
    """No byte in the vault depends on the new name: the old one comes back until a sync sees the folder."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "old").write_bytes(b"content")
    await place.sync(tree)
    (tree / "old").rename(tree / "renamed")
    assert (await place.sync(tree)).archived_size == 0
    await lose_catalog(place)
    await recover(place)
    await place.restore(tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["old"]
    assert (await place.sync(tree)).archived_size == 0
    await place.restore(tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["renamed"]


async def test_a_recovered_folder_does_not_go_in_plain_by_oversight(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """The recipients are in the bundles, also where the key is one of OpenSSH."""
    ssh = tmp_path / "id_ed25519"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh)]
    subprocess.run(words, check=True, timeout=30)  # noqa: ASYNC221
    await place.sync(tree, recipients=read_recipients([ssh.with_suffix(".pub").read_text().strip()]))
    await lose_catalog(place)
    await recover(place, identities=read_identities([ssh]), folder=str(tree))
    (tree / "new").write_bytes(b"new")
    async with place.vault() as vault:
        with pytest.raises(ConfigurationError, match="--no-encryption"):
            await FolderSync(vault, tree).run()


async def test_a_large_file_comes_back_by_its_name(place: Place, tmp_path: Path) -> None:
    """With its times and permissions, into the folder that it was of."""
    tree = make_tree(tmp_path / "tree", files=5)
    (tree / "d0" / "b\u00edg").write_bytes(os.urandom(17 * MIB))
    other = make_tree(tmp_path / "other", files=2)
    for folder in (tree, other):
        await place.sync(folder)
    await lose_catalog(place)
    done = await recover(place)
    assert (done.bundles, done.files, done.homeless) == (2, 1, [])
    await place.restore(tmp_path / "back", folder=str(tree))
    assert picture(tmp_path / "back") == picture(tree)


async def test_a_large_file_of_another_machine_is_not_taken_for_ours(place: Place, tmp_path: Path) -> None:
    """Its folder has the same path, and the bundle that names its machine is gone."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(os.urandom(17 * MIB))
    await place.sync(tree, host="other")
    (tree / "big").unlink()
    (tree / "ours").write_bytes(b"ours")
    await place.sync(tree)
    theirs = next(archive for archive in await place.archives() if "bundle" in archive.description)
    async with place.vault() as vault:
        await vault.delete_archive(theirs.id)
    await lose_catalog(place)
    done = await recover(place)
    assert (done.files, len(done.homeless)) == (0, 1)
    await place.restore(tmp_path / "back", folder=str(tree))
    assert (tmp_path / "back" / "ours").read_bytes() == b"ours"
    assert not (tmp_path / "back" / "big").exists()


async def test_what_is_older_than_a_sync_on_record_hides_nothing_of_it(place: Place, tmp_path: Path) -> None:
    """A folder may have been archived again before anyone missed the catalog; a new one takes all."""
    tree = make_tree(tmp_path / "tree", files=3)
    (tree / "file").write_bytes(b"old")
    await place.sync(tree)
    forget_catalog(place)
    await anyio.sleep(1.1)  # the service tells instants by the second
    (tree / "file").write_bytes(b"newer")
    await place.sync(tree)
    await take_inventory(place)
    done = await recover(place)
    assert (done.bundles, len(done.outdated)) == (0, 1)
    await place.restore(tmp_path / "back")
    assert (tmp_path / "back" / "file").read_bytes() == b"newer"
    await lose_catalog(place)
    done = await recover(place)
    assert (done.bundles, done.outdated) == (2, [])
    await place.restore(tmp_path / "again")
    assert (tmp_path / "again" / "file").read_bytes() == b"newer"


@pytest.mark.parametrize("compress", [False, True])
async def test_a_folder_whose_path_is_long_comes_back(place: Place, tmp_path: Path, compress: bool) -> None:
    """The end of a bundle has room for so many characters, and for fewer that are not ASCII."""
    tree = tmp_path / ("\u0436" * 60) / ("\u0444" * 60)
    tree.parent.mkdir()
    make_tree(tree, files=3)
    await place.sync(tree, compress=compress)
    await lose_catalog(place)
    done = await recover(place)
    assert (done.bundles, done.damaged) == (1, [])
    (root,) = done.roots
    assert str(tree).endswith(root)
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


async def test_what_cannot_be_read_or_is_too_dear_is_not_asked_for(
    place: Place, tree: Path, tmp_path: Path
) -> None:
    """Without a key, without a folder's name, without the money."""
    key = Key(tmp_path)
    await place.sync(tree, recipients=key.recipients)
    await lose_catalog(place)
    with pytest.raises(ConfigurationError, match="--identity"):
        await recover(place)
    with pytest.raises(ConfigurationError, match="--folder"):
        await recover(place, identities=key.identities)
    with pytest.raises(CostLimitError):
        await recover(place, identities=key.identities, folder=str(tree), max_cost=0)
    async with place.vault() as vault:
        assert [job.archive_id async for job in vault.jobs() if job.archive_id is not None] == []


async def test_descriptions_and_indexes_of_others_do_not_end_a_recovery(place: Place, tree: Path) -> None:
    """Archives of other programs are passed over, or listed as damaged."""
    await place.sync(tree)
    index, trailer = index_of(b"")
    told = {
        "format": FORMAT,
        "index_position": 0,
        "index_size": len(index),
        "members": trailer.members,
        "compression": None,
        "index_hash": short_hash(index).hex(),
        "tree": "t",
        "root": "/a",
    }
    async with place.vault() as vault:
        await vault.upload(b"theirs", description="[" * 1024)
        await vault.upload(
            index + skippable_frame(checked_text(told), SKIPPABLE_SIZE),
            description='{"aioglacier": "bundle", "folder": "tree"}',
        )
    await lose_catalog(place)
    done = await recover(place)
    assert done.bundles == 1
    ((_, error),) = done.damaged
    assert "0 members in place of 1" in str(error)


@pytest.mark.parametrize("point", ["upload intent recorded:2", "completing recorded", "archive recorded:2"])
async def test_a_recovery_that_was_killed_goes_on(place: Place, tmp_path: Path, point: str) -> None:
    """Nothing is recorded twice, and no job is paid for again."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(12):
        (tree / f"f{number:02}").write_bytes(os.urandom(MIB // 2))
    await place.sync(tree, bundle_size=2 * MIB)
    await lose_catalog(place)
    assert run(place, "catalog", "recover", "folders", crash_at=point) == -signal.SIGKILL
    assert run(place, "catalog", "recover", "folders") == 0
    async with place.vault() as vault:
        jobs = [job async for job in vault.jobs() if job.archive_id is not None]
    assert len(jobs) == len(await place.archives()) >= 2
    await place.restore(tmp_path / "back")
    assert picture(tmp_path / "back") == picture(tree)


async def test_an_index_that_came_back_damaged_is_not_recorded(place: Place, tree: Path) -> None:
    """The trailer has its hash, since the service vouches for no range that is no node of the tree."""
    await place.sync(tree)
    (archive,) = await place.archives()
    async with place.vault() as vault:
        reader = BundleReader(VaultPlace(vault), JobRetriever(vault, Tier.STANDARD))
        trailer = await reader.read_trailer(archive)
        await reader.read_index(archive, trailer)
        with pytest.raises(IntegrityError, match="came back damaged"):
            await reader.read_index(archive, replace(trailer, index_hash=bytes(16)))


async def test_a_plan_asks_for_no_end_that_a_job_retrieves_already(place: Place, tree: Path) -> None:
    """A second recovery within a day, with a catalog that was lost again, uses the jobs of the first."""
    await place.sync(tree)
    for jobs in (1, 0):
        await lose_catalog(place)
        async with place.vault() as vault:
            recovery = FolderRecovery(vault, Budget(PRICES))
            plan = await recovery.plan()
            assert (plan.jobs, plan.retrieved > 0) == (jobs, bool(jobs))
            await recovery.run()


async def test_one_of_two_folders_of_a_name_is_recovered_alone(place: Place, tmp_path: Path) -> None:
    """The description of a bundle has only the name of its folder; the end of the bundle has its path."""
    for owner in ("alice", "bob"):
        await place.sync(write(tmp_path / owner / "docs", {owner: owner.encode()}))
    await lose_catalog(place)
    folder = str(tmp_path / "alice" / "docs")
    assert (await recover(place, folder=folder)).roots == {folder}
    await place.restore(tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["alice"]
