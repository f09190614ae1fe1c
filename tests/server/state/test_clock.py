"""The virtual clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from aioglacier.server import LocalGlacier, VirtualClock
from tests.server.conftest import Boto

if TYPE_CHECKING:
    from pathlib import Path


async def test_one_clock_moves_two_servers(tmp_path: Path) -> None:
    """A clock given to two servers is the same for both, also when it is moved directly."""
    clock = VirtualClock()
    async with (
        LocalGlacier(tmp_path / "a", clock=clock) as one,
        LocalGlacier(tmp_path / "b", clock=clock) as two,
    ):
        botos = [Boto(server.url) for server in (one, two)]
        jobs = []
        for boto in botos:
            await boto("create_vault")
            jobs.append(await boto.job(Type="archive-retrieval", ArchiveId=await boto.upload(b"x")))
        clock.advance(4 * 3600)
        for boto, job_id in zip(botos, jobs, strict=True):
            assert (await boto("describe_job", jobId=job_id))["StatusCode"] == "Succeeded"


def test_a_clock_goes_forward_only() -> None:
    """A clock is never behind the real one, and never moves back."""
    clock = VirtualClock(10)
    clock.advance(5)
    assert clock.offset_seconds == 15
    assert "offset=15s" in repr(clock)
    for seconds in (-1, float("nan"), float("inf"), 1e300, timedelta(days=-1), timedelta.max):
        with pytest.raises(ValueError, match="forward"):
            clock.advance(seconds)
    assert clock.offset_seconds == 15
    with pytest.raises(ValueError, match="never behind"):
        VirtualClock(-1)


def test_a_clock_takes_a_timedelta() -> None:
    """Anything that is neither a number nor a ``timedelta`` is named in the refusal."""
    clock = VirtualClock()
    clock.advance(timedelta(hours=5))
    assert clock.offset_seconds == 5 * 3600
    with pytest.raises(TypeError, match=r"seconds or a timedelta, not by '5'"):
        clock.advance("5")  # type: ignore[arg-type]  # the mistake that is tested


async def test_a_clock_moved_by_itself_is_remembered(tmp_path: Path) -> None:
    """The offset is kept if the server closes right afterwards."""
    async with LocalGlacier(tmp_path) as server:
        server.clock.advance(5000)
    async with LocalGlacier(tmp_path) as server:
        assert server.clock.offset_seconds == 5000
