"""The promise of folders for ``test_promise``: a model of a folder, its catalog and its place.

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
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import note, strategies as st
from hypothesis.stateful import rule

from aioglacier.core.errors import GlacierError
from aioglacier.files import crashpoints
from aioglacier.gateway.contract.options import Timeouts
from aioglacier.server import Fault
from aioglacier.server.requests.faults import FaultKind, Moment
from tests.bulk.promise_house import OPTIONS, OTHER, PromiseHouse, SetClock, files_in

ELSEWHERE = b"of the other machine "

UPLOAD_POINTS = crashpoints.POINTS[: crashpoints.POINTS.index("archive recorded") + 1]
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


class FolderPromise(PromiseHouse):
    """A folder, its catalog and its place, and what may be said of them.

    Attributes:
        history: Every content that a path has had at a ``sync``, by path, oldest first.
        sure: Where in its history the newest content is that is certainly stored, by path.
        gone: Paths that a ``sync`` which ended well has not found.
        is_mixed: A recovery took the files of another machine for those of this folder.
    """

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

    @rule(hours=st.sampled_from([-48, -1, 30]), right=st.integers(0, 12))
    def sync_while_the_clock_is_set(self, hours: int, right: int) -> None:
        """The clock of the records is set back or ahead in the middle: all of it is archived all the same."""
        before = self._look()
        self._note_history(before)
        sync = self._sync(OPTIONS, now=SetClock(right, hours))
        if sync.unknown:
            return
        assert sync.failures == []
        self._note_stored(before)
        self._snapshots.clear()  # what was there at a time goes by the order of the runs from now on
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
        one, other = map(files_in, targets)
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
            assert code in {0, -9}
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
        with closing(sqlite3.connect(self._catalog)) as connection, connection:
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
