"""A folder, its catalog, its place and a local Glacier, for ``FolderPromise``: how each thing is done."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import note, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aioglacier.bulk import FolderRestore, FolderSync, FolderVerify, RestoreOptions, SyncOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.core.errors import GlacierError
from aioglacier.core.spending import Budget
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.server import LocalGlacier
from tests.bulk.conftest import Key, connected
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.glacier import Glacier
    from aioglacier.client.vault import Vault
    from tests.forking import Fork

T = TypeVar("T")

VAULT = "promise"
BUCKET = "s3://promise/below"
OTHER = "other-machine"
PRICES = load_prices("us-east-1")

#: The local Glacier makes hundreds of folders, which a disk takes seconds to remove.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

#: Larger files are archives of their own here, so that small files show what big ones do.
OPTIONS = SyncOptions(largest_member=2000, accepts_removals=True, allows_plain=True)

NAMES = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "big", "d/big"])
FOLDERS = st.sampled_from(["d", "d/e", "f"])
SIZES = st.sampled_from([0, 1, 700, 5000])


def _now() -> datetime:
    return datetime.now(UTC)


class SetClock:
    """A clock that is right until it was asked some times, and then is off by some hours."""

    def __init__(self, right: int, hours: int) -> None:
        self._right = right
        self._step = timedelta(hours=hours)

    def __call__(self) -> datetime:
        """Return the time."""
        self._right -= 1
        return _now() + (self._step if self._right < 0 else timedelta(0))


class PromiseHouse(RuleBasedStateMachine):
    """A folder that rules change, and the means to sync, verify and restore it."""

    place = VAULT

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count(1)
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="promise-", dir=MEMORY)))
        self._root = self._folder / "tree"
        self._root.mkdir()
        self._key = Key(self._folder)
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._server = LocalGlacier(
            self._folder / "glacier", job_delay=0, inventory_lag=0, is_durable=False, clock=None
        )
        self._stack.enter_context(self._portal.wrap_async_context_manager(self._server))
        self._catalog = self._folder / "catalog.db"
        self._call(self._settle_in)

    def teardown(self) -> None:
        """Leave nothing."""
        self._stack.close()

    # --- the folder

    @rule(name=NAMES, size=SIZES)
    def write(self, name: str, size: int) -> None:
        """A file is new, or has other content."""
        path = self._root / name
        if any((self._root / parent).is_file() for parent in Path(name).parents) or path.is_dir():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(self._content(size))

    @rule(name=NAMES, size=SIZES)
    def edit(self, name: str, size: int) -> None:
        """A file is written in its place, so that all its names have the new content."""
        if (self._root / name).is_file():
            (self._root / name).write_bytes(self._content(size))

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        """A file has another name, and may replace one."""
        source, target = self._root / old, self._root / new
        if source.is_file() and target.parent.is_dir() and not target.is_dir():
            source.rename(target)

    @rule(old=FOLDERS, new=FOLDERS)
    def rename_folder(self, old: str, new: str) -> None:
        """A folder has another name."""
        source, target = self._root / old, self._root / new
        if source.is_dir() and target.parent.is_dir() and not target.exists() and not new.startswith(old):
            source.rename(target)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """A file is gone."""
        if (self._root / name).is_file():
            (self._root / name).unlink()

    @rule(name=NAMES)
    def become_a_folder(self, name: str) -> None:
        """A folder has the name of a file."""
        path = self._root / name
        if path.is_file():
            path.unlink()
            path.mkdir()

    @rule(name=FOLDERS)
    def become_a_file(self, name: str) -> None:
        """A file has the name of a folder."""
        path = self._root / name
        if path.is_dir():
            shutil.rmtree(path)
            path.write_bytes(self._content(700))

    @rule(name=NAMES, mode=st.sampled_from([0o600, 0o644]))
    def chmod(self, name: str, mode: int) -> None:
        """Only the permissions change."""
        if (self._root / name).is_file():
            (self._root / name).chmod(mode)

    @rule(old=NAMES, new=NAMES)
    def link(self, old: str, new: str) -> None:
        """A file has one more name."""
        source, target = self._root / old, self._root / new
        if source.is_file() and target.parent.is_dir() and not target.exists():
            target.hardlink_to(source)

    # --- what places differ in

    async def _open(self, glacier: Glacier) -> Vault | Bucket:
        """Return the place, which is made if it is not there."""
        raise NotImplementedError

    async def _settle_in(self, place: Any) -> None:
        """Ask for a new place once."""

    # --- how it is done

    def _look(self) -> dict[str, bytes]:
        return files_in(self._root)

    def _content(self, size: int) -> bytes:
        """Return content that no file had before, if there is room for a number."""
        return (b"%d " % next(self._numbers) * size)[:size]

    def _sync(
        self, options: SyncOptions, timeouts: Timeouts | None = None, now: Callable[[], datetime] = _now
    ) -> FolderSync:
        async def run(vault: Vault | Bucket) -> FolderSync:
            sync = FolderSync(vault, self._root, options)
            await sync.run()
            return sync

        return self._call(run, timeouts, now)

    def _call(
        self,
        run: Callable[[Any], Awaitable[T]],
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = _now,
    ) -> T:
        async def call() -> T:
            waits = timeouts or Timeouts()
            async with connected(self._server.url, self._catalog, now=now, timeouts=waits) as glacier:
                return await run(await self._open(glacier))

        return self._portal.call(call)

    def _restore(
        self, named: set[str] | None = None, at: datetime | None = None, *, is_new: bool = True
    ) -> dict[str, bytes]:
        """Restore, to a new folder or again; paths that fail are added to ``named``, or nothing may fail."""
        target = self._folder / "back"
        if is_new:
            shutil.rmtree(target, ignore_errors=True)
        options = RestoreOptions(
            selection=SelectionOptions(at=at), folder=str(self._root), identities=self._key.identities
        )

        async def run(vault: Vault | Bucket) -> FolderRestore | None:
            context = vault.context.recorded()
            trees = await context.catalog.trees.list(context.key)
            if not [tree for tree in trees if tree.host != OTHER]:
                return None
            restore = FolderRestore(vault, target, Budget(PRICES), options)
            await restore.run()
            return restore

        restore = self._call(run)
        if restore is not None:
            failed = {os.fsdecode(failure.path) for failure in restore.failures}
            note(f"failed: {failed}")
            if named is None:
                assert not failed
            else:
                named |= failed
        return files_in(target)

    def _verify(self) -> list[Any] | None:
        async def run(vault: Vault | Bucket) -> list[Any] | None:
            verify = FolderVerify(vault, self._root, Budget(PRICES))
            try:
                await verify.run()
            except GlacierError:
                return None
            return verify.findings

        return self._call(run)

    def _program(self, *arguments: str, crash_at: str = "") -> int:
        """Run the program in a process of its own."""
        return self._finish(self._start(*arguments, crash_at=crash_at))

    def _finish(self, run: Fork) -> int:
        _, err = run.communicate(timeout=120)
        note(f"{run.args}: exit {run.returncode}: {err.decode()[-300:]}")
        assert "Traceback" not in err.decode(), err.decode()
        return int(run.returncode)

    def _start(self, *arguments: str, crash_at: str = "") -> Fork:
        environment = {
            **os.environ,
            "HOME": str(self._folder),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "AIOGLACIER_CRASH_AT": crash_at,
        }
        words = ["--endpoint-url", self._server.url, "--region", "us-east-1", "--catalog", str(self._catalog)]
        return forks().start([*words, *arguments], cwd=self._folder, env=environment)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
