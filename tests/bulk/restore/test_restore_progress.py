"""The counters of a restore."""

from __future__ import annotations

from aioglacier.bulk.restore.placer import Placed
from aioglacier.bulk.restore.restore_progress import RestoreProgress
from aioglacier.core.errors import TargetError


def test_placed_files_and_failures_are_counted_apart() -> None:
    """A file in its place adds its bytes, one that is not is a failure."""
    progress = RestoreProgress()
    error = TargetError("it is there", path="b")
    progress.note_placed([Placed(b"a", 5, None), Placed(b"b", 7, error), Placed(b"c", 6, None)])
    assert (progress.restored, progress.restored_size) == (2, 11)
    assert progress.failures.kept == [(b"b", error)]


def test_twenty_older_versions_are_named_and_the_rest_counted() -> None:
    """The notices stay short, whatever the number of paths."""
    progress = RestoreProgress(refused={"owners": "not permitted"}, older=[b"%d" % n for n in range(25)])
    notices = [*progress.notices()]
    assert notices[0] == "the owners of some paths could not be set: not permitted"
    assert notices[1] == "'0' is an older version: the archive of the newest one is not proven"
    assert len(notices) == 22
    assert notices[-1] == "so are 5 more"


def test_twenty_older_versions_are_all_that_there_are() -> None:
    """No count follows where none is left."""
    assert len([*RestoreProgress(older=[b"a"] * 20).notices()]) == 20
