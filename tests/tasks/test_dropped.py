"""Tests of how a dropped object is recognised."""

from __future__ import annotations

import asyncio

import pytest

from aioglacier.tasks.dropped import OwnerTask, warn_dropped


async def test_only_the_task_that_opened_an_object_leaves_its_block() -> None:
    """Another task, or the end of a generator, means that the object was dropped."""
    owner = OwnerTask()

    async def elsewhere() -> bool:
        return owner.has_dropped(None)

    assert not owner.has_dropped(None)
    assert not owner.has_dropped(ValueError)
    assert owner.has_dropped(GeneratorExit)
    assert await asyncio.ensure_future(elsewhere())


def test_without_a_loop_an_object_was_dropped() -> None:
    """After the end of the event loop nothing can be closed properly."""

    async def open_it() -> OwnerTask:
        return OwnerTask()

    assert asyncio.run(open_it()).has_dropped(None)


def test_the_warning_names_the_object() -> None:
    """The warning says what was dropped and how to use it."""
    with pytest.warns(
        ResourceWarning, match="a reader was dropped while it was open; use it with 'async with'"
    ):
        warn_dropped("a reader", source=None)
