"""Runs prove what is gone from a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
