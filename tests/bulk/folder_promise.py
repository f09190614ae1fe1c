"""A model of a folder, its catalog and its place, for ``test_promise``.

Any sequence of edits, syncs, kills, deletions, inventories, losses and recoveries, against a simple model.
After each step that could change what is stored, one of these is checked:

- a ``sync`` that ends well: a restore gives exactly the folder;
- a ``verify`` without findings: a restore gives exactly the folder, too;
- a restore at any time: each path that was archived and is not known to be gone comes back with the newest
  content that is certainly stored, or a later one, or the restore names it as failed; no path comes back with
  content that it never had.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import note, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

import aioglacier
from aioglacier.bulk import FolderRestore, FolderSync, FolderVerify, RestoreOptions, SyncOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.restore.selection import SelectionOptions
from aioglacier.catalog import Catalog
from aioglacier.core.errors import GlacierError
from aioglacier.core.spending import Budget
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.server import Fault, LocalGlacier
from aioglacier.server.requests.faults import FaultKind, Moment
from tests.bulk.conftest import Key
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aioglacier.client.buckets.bucket import Bucket
    from aioglacier.client.vault import Vault
    from tests.forking import Fork

T = TypeVar("T")

VAULT = "promise"
BUCKET = "s3://promise/below"
OTHER = "other-machine"
ELSEWHERE = b"of the other machine "
PRICES = load_prices("us-east-1")

#: The local Glacier makes hundreds of folders, which a disk takes seconds to remove.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

#: Larger files are archives of their own here, so that small files show what big ones do.
OPTIONS = SyncOptions(largest_member=2000, accepts_removals=True, allows_plain=True)

NAMES = st.sampled_from(["a", "b", "c", "d/a", "d/b", "d/e/a", "big", "d/big"])
FOLDERS = st.sampled_from(["d", "d/e", "f"])
SIZES = st.sampled_from([0, 1, 700, 5000])

UPLOAD_POINTS = [
    "upload intent recorded",
    "upload initiated",
    "upload id recorded",
    "part sent",
    "part recorded",
    "completing recorded",
    "completed",
    "archive recorded",
]
JOB_POINTS = ["job intent recorded", "job initiated", "job id recorded"]

#: Where each command kills itself; a command that does not come there ends as usual.
POINTS = {
    "sync": [f"{point}:{time}" for point in UPLOAD_POINTS for time in (1, 2, 3)] + ["abort answered"],
    "restore": [*JOB_POINTS, "piece recorded", "file verified", "file on disk", "file renamed"],
    "inventory": JOB_POINTS,
    "empty": ["deleting recorded", "deleted", "deleted:2"],
    "delete": ["deleting recorded", "deleted"],
    "recover": [*JOB_POINTS, "upload intent recorded", "completing recorded", "archive recorded"],
}

#: Chooses one of several things. Their number may differ between two runs, and what is drawn must not.
CHOICE = st.integers(0, 99)

#: Chooses one of the requests of a ``sync``.
OPERATIONS = st.integers(0, 2)


class FolderPromise(RuleBasedStateMachine):
    """A folder, its catalog and its place, and what may be said of them.

    Attributes:
        history: Every content that a path has had at a ``sync``, by path, oldest first.
        sure: Where in its history the newest content is that is certainly stored, by path.
        gone: Paths that a ``sync`` which ended well has not found.
        is_mixed: A recovery took the files of another machine for those of this folder.
    """

    place = VAULT
    sync_options: tuple[str, ...] = ()
    operations = ("InitiateMultipartUpload", "UploadMultipartPart", "CompleteMultipartUpload")
    refusal = "AccessDeniedException"

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[bytes]] = {}
        self.sure: dict[str, int] = {}
        self.gone: set[str] = set()
        self.is_mixed = False
        self._snapshots: list[tuple[datetime, dict[str, bytes]]] = []
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

    # --- what is done with it

    @rule(is_encrypted=st.booleans())
    def sync(self, is_encrypted: bool) -> None:
        """All of it is archived; a restore gives exactly what is there."""
        before = self._look()
        self._note_history(before)
        sync = self._sync(replace(OPTIONS, recipients=self._key.recipients if is_encrypted else None))
        if sync.unknown:
            return
        assert sync.failures == []
        self._note_stored(before)
        self._snapshots.append((datetime.now(UTC), before))  # a later sync begins later
        assert self._restore() == before

    @rule(point=st.sampled_from(POINTS["sync"]))
    def sync_killed(self, point: str) -> None:
        """Killed at a moment; what was stored before still is."""
        before = self._look()
        self._note_history(before)
        words = ("--no-encryption", "--bundle-up-to=2000", "--accept-removals", str(self._root), self.place)
        code = self._program("sync", *self.sync_options, *words, crash_at=point)
        assert code in {0, 5, -9}
        if code == 0:
            self._note_stored(before)
        self.check_restore()

    @rule(operation=OPERATIONS)
    def sync_refused(self, operation: int) -> None:
        """The service refuses a step once."""
        self._sync_against(Fault(self.operations[operation], code=self.refusal))

    @rule(operation=OPERATIONS, first=st.integers(1, 3), moment=st.sampled_from(["start", "after_commit"]))
    def sync_in_an_outage(self, operation: int, first: int, moment: str) -> None:
        """From one request on the service answers nothing, although it may have done what was asked."""
        self._sync_against(
            Fault(self.operations[operation], kind=FaultKind.RESET, first=first, moment=Moment(moment)),
            Fault("*", kind=FaultKind.RESET, first=first + 2, count=None),
        )

    @rule()
    def verify(self) -> None:
        """Without a finding, a restore gives exactly what is there."""
        if self._verify() == []:
            note("verified")
            assert self._restore() == self._look()

    @rule()
    def check_restore(self, *, is_new: bool = True) -> None:
        """Each path comes back as the newest that is stored for certain, or later, or is named."""
        named: set[str] = set()
        found = self._restore(named, is_new=is_new)
        for path, content in found.items():
            if not (self.is_mixed and content.startswith(ELSEWHERE)):
                assert content in self.history.get(path, []), f"{path} never had this content"
        for path, contents in self.history.items():
            if path in self.gone or path in named:
                continue
            if path in self.sure:
                assert path in found, f"{path} is stored, and was neither restored nor named"
                assert found[path] in contents[self.sure[path] :], f"{path} came back too old"

    @rule(which=CHOICE)
    def restore_at(self, which: int) -> None:
        """A path comes back as it was then, or as it was before, or is named."""
        if not self._snapshots:
            return
        at, then = self._snapshots[which % len(self._snapshots)]
        named: set[str] = set()
        found = self._restore(named, at=at)
        for path, content in found.items():
            assert content in self.history[path], f"{path} never had this content"
        missing = {path for path in then if path not in found} - named
        assert not missing, f"{missing} were there then"

    @rule(point=st.sampled_from(POINTS["restore"]))
    def restore_killed(self, point: str) -> None:
        """A second restore to the same folder brings what one after a kill still lacks."""
        if not self.sure:
            return
        target = self._folder / "back"
        shutil.rmtree(target, ignore_errors=True)
        self._program("restore", self.place, str(target), "--identity", str(self._key.file), crash_at=point)
        self.check_restore(is_new=False)

    @rule()
    def restore_twice_at_once(self) -> None:
        """Two restores at the same time bring the same, and no range is paid twice."""
        if not self.sure:  # the only folder on record may be that of the other machine
            return
        before = set(self._jobs())
        targets = [self._folder / "back", self._folder / "beside"]
        runs = []
        for target in targets:
            shutil.rmtree(target, ignore_errors=True)
            words = ("restore", self.place, str(target), "--identity", str(self._key.file))
            runs.append(self._start(*words))
        codes = [self._finish(run) for run in runs]
        assert codes[0] == codes[1]
        paid = [wanted for job_id, wanted in self._jobs().items() if job_id not in before]
        assert len(paid) == len(set(paid)), f"paid twice: {paid}"
        one, other = map(_files_in, targets)
        assert one == other
        self.check_restore(is_new=False)

    # --- what happens to the vault and the catalog

    @rule(which=CHOICE, point=st.sampled_from(["", *POINTS["delete"]]))
    def delete_archive(self, which: int, point: str) -> None:
        """An archive is deleted through the library, or by the program, which is killed meanwhile."""
        archives = list(self._archives())
        if not archives:
            return
        archive_id = archives[which % len(archives)]
        self._unsure({archive_id})
        if point:
            words = ("delete", self.place, f"--archive-id={archive_id}", "--yes")
            if (code := self._program(*words, "--lose-files", crash_at=point)) == 2:  # no file would be lost
                code = self._program(*words, crash_at=point)
            assert code in {0, -9}  # one that is not on record passes none of the points
        else:
            self._call(lambda place: self._delete(place, archive_id))
        self.check_restore()

    @rule(point=st.sampled_from(["", *POINTS["recover"]]))
    def lose_catalog(self, point: str) -> None:
        """The catalog is lost, and filled again from the inventory and the ends of bundles."""
        for path in self._folder.glob("catalog.db*"):
            if path.is_file():
                path.unlink()
        self.sure.clear()
        self.gone.clear()
        self._snapshots.clear()
        self._learn()
        words = ["catalog", "recover", self.place, "--yes", "--identity", str(self._key.file)]
        code = self._program(*words, crash_at=point)
        if (
            code == 2 and "--folder" not in words
        ):  # there are encrypted bundles, which do not name their folder
            self.is_mixed = True
            words += ["--folder", str(self._root)]
            code = self._program(*words, crash_at=point)
        if code == -9:
            code = self._program(*words)
        assert code in {0, 3}
        self.check_restore()

    @rule()
    def sync_from_another_machine(self) -> None:
        """A folder of the same path on another machine takes nothing away."""
        other = self._folder / "other"
        other.mkdir(exist_ok=True)
        for name in ("a", "big"):
            (other / name).write_bytes(ELSEWHERE * (200 if name == "big" else 1))
        away = self._folder / "away"
        self._root.rename(away)
        other.rename(self._root)
        try:
            self._sync(replace(OPTIONS, host=OTHER))
        finally:
            self._root.rename(other)
            away.rename(self._root)
        self.check_restore()

    # --- what places differ in

    async def _open(self, glacier: aioglacier.Glacier) -> Vault | Bucket:
        """Return the place, which is made if it is not there."""
        raise NotImplementedError

    async def _settle_in(self, place: Any) -> None:
        """Ask for a new place once."""

    async def _delete(self, place: Any, archive_id: str) -> None:
        """Delete an archive through the library."""
        raise NotImplementedError

    def _learn(self) -> None:
        """Fill a lost catalog with what the place lists."""

    def _jobs(self) -> dict[str, object]:
        """Return the archive and range of each retrieval that was asked for, by its id."""
        raise NotImplementedError

    def _archives(self) -> dict[str, tuple[int, str]]:
        """The archives that exist at the service."""
        raise NotImplementedError

    # --- the model

    def _look(self) -> dict[str, bytes]:
        return _files_in(self._root)

    def _note_history(self, found: dict[str, bytes]) -> None:
        for path, content in found.items():
            contents = self.history.setdefault(path, [])
            if not contents or contents[-1] != content:
                contents.append(content)
            self.gone.discard(path)

    def _note_stored(self, found: dict[str, bytes]) -> None:
        self.gone = {path for path in self.history if path not in found}
        self.sure = {path: len(self.history[path]) - 1 for path in found}

    def _unsure(self, archive_ids: set[str] | None) -> None:
        """Forget what is certain of paths that may lie in these archives, in any of their versions."""
        if archive_ids is None:
            self.sure.clear()
            return
        marks = ", ".join("?" * len(archive_ids))
        with sqlite3.connect(self._catalog) as connection:
            rows = connection.execute(
                "SELECT DISTINCT e.path, l.path FROM entries AS e JOIN archives AS a ON a.upload = e.upload "  # noqa: S608
                "LEFT JOIN entries AS l ON l.target = e.path AND l.kind = 'hardlink' "
                f"WHERE a.archive_id IN ({marks})",
                sorted(archive_ids),
            ).fetchall()
        connection.close()
        for path in {os.fsdecode(path) for row in rows for path in row if path is not None}:
            self.sure.pop(path, None)

    # --- how it is done

    def _content(self, size: int) -> bytes:
        """Return content that no file had before, if there is room for a number."""
        return (b"%d " % next(self._numbers) * size)[:size]

    def _sync(self, options: SyncOptions, timeouts: Timeouts | None = None) -> FolderSync:
        async def run(vault: Vault | Bucket) -> FolderSync:
            sync = FolderSync(vault, self._root, options)
            await sync.run()
            return sync

        return self._call(run, timeouts)

    def _sync_against(self, *faults: Fault) -> None:
        """Sync although the service fails; what was stored before still is.

        A sync that finds all content on record asks for nothing, and then ends well.
        """
        before = self._look()
        self._note_history(before)
        self._portal.call(self._server.faults.add, *faults)
        with suppress(GlacierError):
            sync = self._sync(OPTIONS, Timeouts(give_up=0.1))
            if not sync.failures and not sync.unknown:
                self._note_stored(before)
        self._portal.call(self._server.faults.clear)
        self.check_restore()

    def _call(self, run: Callable[[Any], Awaitable[T]], timeouts: Timeouts | None = None) -> T:
        async def call() -> T:
            async with (
                Catalog.open(self._catalog) as catalog,
                aioglacier.connect(
                    endpoint_url=self._server.url,
                    s3_endpoint_url=self._server.url,
                    region_name="us-east-1",
                    aws_access_key_id="AKIDEXAMPLE",
                    aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                    catalog=catalog,
                    hash_in="threads",
                    timeouts=timeouts or Timeouts(),
                ) as glacier,
            ):
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
        return _files_in(target)

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


def _files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
