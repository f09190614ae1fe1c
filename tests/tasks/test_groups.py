"""Tests of what callers see of exception groups."""

from __future__ import annotations

import anyio
import pytest

from aioglacier.tasks.groups import first_cause


async def test_the_first_cause_leaves_a_group_and_keeps_it_as_its_cause() -> None:
    """The first error is raised, out of groups within groups; the group stays as its cause."""
    error = KeyError("first")

    async def fail() -> None:
        async with anyio.create_task_group():
            raise error

    async def run() -> None:
        with first_cause():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                await anyio.sleep_forever()

    with pytest.raises(KeyError) as caught:
        await run()
    assert caught.value is error
    assert isinstance(error.__cause__, BaseExceptionGroup)


def test_other_errors_pass_as_they_are() -> None:
    """An error that is no group is raised unchanged."""
    error = ValueError("alone")
    with pytest.raises(ValueError, match="alone") as caught, first_cause():
        raise error
    assert caught.value is error
    assert error.__cause__ is None
