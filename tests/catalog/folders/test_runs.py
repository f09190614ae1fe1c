"""Runs prove what is gone from a folder."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog.folders.entry_records import BundleRecord
from aioglacier.core.errors import ConfigurationError
from aioglacier.tasks.shard import Shard
from tests.catalog.samples import NOON, PHOTOS

if TYPE_CHECKING:
    from tests.catalog.folders.conftest import Folder


async def test_a_path_is_gone_once_a_run_that_ended_says_so(folder: Folder) -> None:
    """A run that was stopped proves nothing; earlier times still show the path."""
    first, _ = await folder.sync(b"a", b"b")
    row = (await folder.current())[b"a"][0]
    stopped = await folder.run()
    await folder.end(stopped, row, outcome="stopped")
    assert await folder.stored() == {b"a": (first, False), b"b": (first, False)}
    run = await folder.run()
    await folder.end(run, row)
    assert await folder.stored() == {b"b": (first, False)}
    assert [*await folder.current()] == [b"b"]
    assert [*await folder.stored(stopped)] == [b"a", b"b"]
    assert await folder.catalog.entries.stored_at(folder.tree, b"a", None) is None
    later, _ = await folder.sync(b"a")
    assert await folder.stored() == {b"a": (later, False), b"b": (first, False)}
    assert [*await folder.stored(run)] == [b"b"]


async def test_a_run_is_kept_with_its_beginning_and_its_end(folder: Folder) -> None:
    """A stopped run is not completed, and only a ``sync`` that ended is the last of its folder."""
    runs = folder.catalog.runs
    run = await runs.begin(folder.tree, "sync", {"seed": 1}, started=NOON)
    assert (await runs.list_syncs(folder.tree))[0][:4] == (run, "open", NOON, None)
    assert await runs.stopped_settings(folder.tree, "sync") == {"seed": 1}
    await runs.end(folder.tree, run, counters={"paths": 2}, outcome="stopped")
    (stopped,) = await runs.list_syncs(folder.tree)
    assert (stopped.state, stopped.counters, stopped.outcome) == ("failed", {"paths": 2}, "stopped")
    assert stopped.ended is not None
    again = await runs.begin(folder.tree, "sync", {})
    await runs.end(folder.tree, again, counters={})
    assert (await runs.list_syncs(folder.tree))[1].state == await runs.last_state(folder.tree) == "completed"
    other = await runs.begin(folder.tree, "restore", {})
    await runs.end(folder.tree, other, counters={})
    (tree,) = await folder.catalog.trees.list(PHOTOS)
    assert tree.last_run == again


async def test_a_clock_that_was_set_back_changes_no_order(folder: Folder) -> None:
    """At any time the run of the highest number that had begun counts, as for the newest versions."""
    runs = folder.catalog.runs
    first = await runs.begin(folder.tree, "sync", {}, started=NOON)
    second = await runs.begin(folder.tree, "sync", {}, started=NOON - timedelta(hours=1))
    assert first < second
    assert await runs.find(folder.tree, NOON) == second
    assert await runs.find(folder.tree, NOON - timedelta(minutes=30)) == second
    assert await runs.find(folder.tree, NOON - timedelta(hours=2)) is None


async def test_a_time_before_the_first_sync_is_refused(folder: Folder) -> None:
    """The error names the folder, the vault and the time; now needs no run."""
    runs = folder.catalog.runs
    run = await runs.begin(folder.tree, "sync", {}, started=NOON)
    await runs.begin(folder.tree, "verify", {}, started=NOON)
    assert await runs.find_at(folder.tree, None) is None
    assert await runs.find_at(folder.tree, NOON) == run
    with pytest.raises(ConfigurationError, match=rf"'/home' was not in '{folder.tree.key.vault}' yet at 2"):
        await runs.find_at(folder.tree, NOON - timedelta(seconds=1))


async def test_settings_are_those_of_the_latest_run_of_a_kind_and_shard(folder: Folder) -> None:
    """Of a shard that came to its end there are none to go on with."""
    runs, first, second = folder.catalog.runs, Shard(1, 2), Shard(2, 2)
    assert await runs.last_state(folder.tree) is None
    assert await runs.last_settings(folder.tree) == {}
    one = await runs.begin(folder.tree, "sync", {"shard": "1/2", "seed": 1})
    await runs.begin(folder.tree, "sync", {"shard": "2/2", "seed": 2})
    await runs.begin(folder.tree, "restore", {"seed": 3}, target="/back")
    assert await runs.last_state(folder.tree) == "open"
    assert await runs.last_settings(folder.tree) == {"shard": "2/2", "seed": 2}
    assert (await runs.stopped_settings(folder.tree, "sync", first))["seed"] == 1
    assert (await runs.stopped_settings(folder.tree, "sync", second))["seed"] == 2
    assert await runs.stopped_settings(folder.tree, "sync") == {}
    assert await runs.stopped_settings(folder.tree, "restore") == {"seed": 3}
    await runs.end(folder.tree, one, counters={})
    assert await runs.stopped_settings(folder.tree, "sync", first) == {}
    assert (await runs.stopped_settings(folder.tree, "sync", second))["seed"] == 2


async def test_recipients_are_those_of_every_sync_and_of_one_archive(folder: Folder) -> None:
    """Each is named once, the latest first; an archive has those of the run that made it."""
    runs = folder.catalog.runs
    assert await runs.recipients(folder.tree) == []
    first = await runs.begin(folder.tree, "sync", {"recipients": ["a", "b"]})
    await runs.begin(folder.tree, "sync", {"recipients": ["c", "a"]})
    await runs.begin(folder.tree, "verify", {"recipients": ["d"]})
    await runs.begin(folder.tree, "sync", {})
    assert await runs.recipients(folder.tree) == ["c", "a", "b"]
    upload = await folder.upload()
    assert await runs.recipients_of(upload.number) == []
    await folder.catalog.bundles.record(folder.tree, first, BundleRecord(upload.number, "tar", None, "age"))
    assert await runs.recipients_of(upload.number) == ["a", "b"]
    plain = await folder.upload()
    run = await runs.begin(folder.tree, "sync", {"recovered": "x"})
    await folder.catalog.bundles.record(folder.tree, run, BundleRecord(plain.number, "tar", None, "age"))
    assert await runs.recipients_of(plain.number) == []
