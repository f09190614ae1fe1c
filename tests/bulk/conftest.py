"""Folders to archive, and what tells whether two are the same."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pyrage  # type: ignore[import-untyped]  # it has no types
import pytest

import aioglacier
from aioglacier.bulk import FolderRestore, FolderVerify, RestoreOptions, Trouble, VerifyOptions
from aioglacier.bulk.formats.age import read_identities, read_recipients
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.recover import FolderRecovery, RecoveryOptions
from aioglacier.bulk.sync.plan import SyncOptions
from aioglacier.bulk.sync.sync import FolderSync
from aioglacier.catalog import Catalog
from aioglacier.core.spending import Budget
from tests.cli.conftest import program  # noqa: F401  # a fixture here, too

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from aioglacier.bulk import SyncSnapshot
    from aioglacier.bulk.recover import Recovered
    from aioglacier.bulk.restore.restore import RestoreSnapshot
    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault

MIB = 1024 * 1024


class Seen(NamedTuple):
    """All that a round trip must bring back of one path."""

    kind: int
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    target: bytes
    content: str
    links: frozenset[bytes]
    attributes: tuple[tuple[str, bytes], ...]


def picture(root: Path) -> dict[bytes, Seen]:
    """Everything below a folder, looked at without the package's own eyes."""
    found: dict[bytes, Seen] = {}
    by_inode: dict[int, set[bytes]] = {}
    top = os.fsencode(root)
    paths = [top]
    for folder, folders, files in os.walk(top):
        paths += [folder + b"/" + name for name in (*folders, *files)]
    for path in paths:
        status = os.lstat(path)
        if stat.S_ISREG(status.st_mode):
            by_inode.setdefault(status.st_ino, set()).add(os.path.relpath(path, top))
    for path in paths:
        status = os.lstat(path)
        is_file = stat.S_ISREG(status.st_mode)
        is_link = stat.S_ISLNK(status.st_mode)
        found[os.path.relpath(path, top)] = Seen(
            stat.S_IFMT(status.st_mode),
            stat.S_IMODE(status.st_mode),
            (status.st_uid, status.st_gid),
            status.st_mtime_ns,
            os.readlink(path) if is_link else b"",  # noqa: PTH115  # of any bytes
            hashlib.sha256(_read(path)).hexdigest() if is_file else "",
            frozenset(by_inode[status.st_ino]) if is_file else frozenset(),
            () if is_link else tuple((name, os.getxattr(path, name)) for name in sorted(os.listxattr(path))),
        )
    return found


def _read(path: bytes) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123  # of any bytes
        return file.read()


def make_tree(root: Path, *, files: int = 40, seed: int = 1) -> Path:
    """A small folder with some of everything."""
    chance = random.Random(seed)  # noqa: S311  # the same each time
    root.mkdir()
    for number in range(files):
        folder = root / f"d{number % 5}" / f"e{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(chance.randbytes(chance.choice([0, 1, 511, 512, 513, 9000])))
    odd = os.fsencode(root) + b"/odd"
    os.mkdir(odd)  # noqa: PTH102  # of any bytes
    for name in (
        b"new\nline",
        b"\xff\xfe",
        b"-rf",
        b"%s",
        "caf\u00e9".encode(),
        "cafe\u0301".encode(),
        b"x" * 255,
    ):
        with open(odd + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    deep = root / ("a" * 60) / ("b" * 60) / ("c" * 60) / ("d" * 60)
    deep.mkdir(parents=True)
    (deep / ("e" * 120)).write_bytes(b"far down")
    (root / "link").symlink_to("d0/e0/f0")
    (root / "nowhere").symlink_to("/does/not/exist" * 10)
    (root / "loop").symlink_to(".")
    (root / "z-linked").hardlink_to(root / "d0" / "e0" / "f0")
    (root / "empty").mkdir(mode=0o700)
    (root / "private").write_bytes(b"secret")
    (root / "private").chmod(0o600)
    (root / "old").write_bytes(b"from before 1970")
    os.utime(root / "old", ns=(-5_000_000_001, -5_000_000_001))
    with (root / "sparse").open("wb") as file:
        file.truncate(MIB)
        file.seek(500_000)
        file.write(b"in the middle")
    os.setxattr(root / "private", "user.note", b"\x00kept\xff")
    os.setxattr(root / "empty", "user.note", b"of a folder")
    os.setxattr(root, "user.note", b"of the top")
    (root / "d0.txt").write_bytes(b"sorts between d0 and d0/")
    os.utime(root / "d1", ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
    return root


class Place:
    """A local Glacier and a catalog, in a folder, with a vault or a bucket of one class."""

    def __init__(self, folder: Path, storage_class: str | None = None) -> None:
        self.glacier = folder / "glacier"
        self.catalog = folder / "catalog.db"
        self.storage_class = storage_class

    @asynccontextmanager
    async def vault(self) -> AsyncIterator[Vault]:
        """The vault, over a connection of its own."""
        async with self._connect() as glacier:
            yield await glacier.create_vault("folders")

    @asynccontextmanager
    async def bucket(self) -> AsyncIterator[Bucket]:
        """The bucket below a prefix, over a connection of its own."""
        async with self._connect() as glacier:
            await glacier.create_bucket("folders")
            yield glacier.bucket("folders", self.storage_class, "below/")

    def open(self) -> AbstractAsyncContextManager[Vault | Bucket]:
        """The vault or the bucket, whichever this place has."""
        return self.vault() if self.storage_class is None else self.bucket()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Glacier]:
        async with (
            Catalog.open(self.catalog) as catalog,
            aioglacier.connect(
                endpoint_url=f"local:{self.glacier}", catalog=catalog, hash_in="threads"
            ) as glacier,
        ):
            yield glacier

    async def sync(self, root: Path, **options: Any) -> SyncSnapshot:
        """Take a folder there; nothing may fail."""
        async with self.open() as opened:
            sync = FolderSync(opened, root, SyncOptions(**options))
            done = await sync.run()
            assert sync.failures == []
            assert sync.unknown == []
            return done

    async def restore(
        self, target: Path, *, max_cost: float | None = None, **options: Any
    ) -> RestoreSnapshot:
        """Bring a folder back; nothing may fail."""
        async with self.open() as opened:
            budget = Budget(load_prices("us-east-1"), max_cost)
            restore = FolderRestore(opened, target, budget, RestoreOptions(**options))
            done = await restore.run()
            assert restore.failures == []
            return done

    async def archives(self) -> list[aioglacier.Archive]:
        """All archives of the vault, as the service has them, and no upload is open beside them."""
        async with self.vault() as vault:
            assert [upload async for upload in vault.uploads()] == []
            job = await vault.retrieve_inventory()
            await job.wait_until_done()
            return [archive async for archive in job.inventory()]


@asynccontextmanager
async def connected(
    url: str,
    location: Path | str,
    s3_url: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    **options: Any,
) -> AsyncIterator[Glacier]:
    """Connect to a served Glacier with a catalog, whose records have the dates of a clock."""
    async with (
        Catalog.open(location, now=now) as catalog,
        aioglacier.connect(
            endpoint_url=url,
            s3_endpoint_url=s3_url or url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            catalog=catalog,
            hash_in="threads",
            **options,
        ) as glacier,
    ):
        yield glacier


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a local Glacier and a catalog of the test."""
    return Place(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small folder with some of everything."""
    return make_tree(tmp_path / "tree")


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    """Files with these contents."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


PRICES = load_prices("us-east-1")


async def restore(place: Place, target: Path, **options: Any) -> FolderRestore:
    """A restore that was run, whatever failed."""
    async with place.open() as opened:
        restore = FolderRestore(opened, target, Budget(PRICES), RestoreOptions(**options))
        await restore.run()
        return restore


async def troubles(place: Place, tree: Path) -> set[tuple[Trouble, str]]:
    """Return the findings of a comparison."""
    async with place.open() as opened:
        verify = FolderVerify(opened, tree, Budget(PRICES))
        await verify.run()
        return {(trouble, what) for trouble, what in verify.findings}


class Key:
    """A pair of keys, in files."""

    def __init__(self, folder: Path, name: str = "key") -> None:
        self.identity = pyrage.x25519.Identity.generate()
        self.secret = str(self.identity)
        self.recipient = str(self.identity.to_public())
        self.file = folder / f"{name}.txt"
        self.file.write_text(f"# public key: {self.recipient}\n{self.secret}\n")
        self.recipients = read_recipients([self.recipient])
        self.identities = read_identities([self.file])


@pytest.fixture
def key(tmp_path: Path) -> Key:
    """The recipients that archives are encrypted to."""
    return Key(tmp_path)


async def verify(place: Place, tree: Path, *, max_cost: float | None = None, **options: Any) -> FolderVerify:
    """A comparison that was run."""
    async with place.open() as opened:
        found = FolderVerify(
            opened, tree, Budget(load_prices("us-east-1"), max_cost), VerifyOptions(**options)
        )
        await found.run()
        return found


async def lose_catalog(place: Place) -> None:
    """Only what the service has is left, and an inventory of it."""
    forget_catalog(place)
    await take_inventory(place)


def forget_catalog(place: Place) -> None:
    """Only what the service has is left."""
    for file in place.catalog.parent.glob(f"{place.catalog.name}*"):
        if file.is_file():
            file.unlink()


async def take_inventory(place: Place) -> None:
    """Read an inventory into the catalog."""
    async with place.vault() as vault:
        job = await vault.retrieve_inventory()
        await job.wait_until_done()
        assert vault.records is not None
        inventory = job.inventory()
        archives = [archive async for archive in inventory]
        assert inventory.inventoried is not None
        await vault.records.catalog.archives.merge_inventory(
            vault.records.key, archives, inventoried=inventory.inventoried
        )


async def recover(place: Place, *, max_cost: float | None = None, **options: Any) -> Recovered:
    """Learn what is in the vault."""
    async with place.open() as opened:
        recovery = FolderRecovery(
            opened, Budget(load_prices("us-east-1"), max_cost), RecoveryOptions(**options)
        )
        return await recovery.run()
