"""The warning before the service forgets an upload (CC-05), on a clock of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import wait_all_tasks_blocked

from aioglacier.core.models import UploadId
from aioglacier.transfer.upload.remote_upload import IdleWatch
from aioglacier.transfer.upload.writer import open_writer
from tests.transfer.conftest import DATA, MIB, MemoryStore, options

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from aioglacier.transfer.resources import TransferResources

HOUR = 3600.0


class Day:
    """A clock that sleeping moves, until it is late.

    Attributes:
        now: Seconds.
        wakes: How often somebody slept.
        at: What happens at which hour.
    """

    def __init__(self, until: float, at: dict[float, Callable[[], None]] | None = None) -> None:
        self.now = 0.0
        self.wakes = 0
        self.at = at or {}
        self._until = until

    async def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.wakes += 1
        end = self.now + seconds
        for hour in sorted(self.at):
            if hour * HOUR <= end:
                self.now = hour * HOUR
                self.at.pop(hour)()
        self.now = end
        if self.now >= self._until:
            await anyio.sleep_forever()


async def run_a_day(watch_: IdleWatch) -> None:
    """Run a watch until the day is over."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_.run)
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


async def test_an_upload_that_gets_nothing_is_warned_of_in_time(caplog: pytest.LogCaptureFixture) -> None:
    """Six hours before the end, and once in each of them; nothing wakes up in between."""
    day = Day(24 * HOUR)
    await run_a_day(IdleWatch(UploadId("u1"), clock=lambda: day.now, sleep=day.sleep))
    assert len(caplog.messages) == 6
    assert "upload u1 for 18 hours" in caplog.messages[0]
    assert "for 23 hours" in caplog.messages[-1]
    assert day.wakes == 7


async def test_an_upload_that_gets_parts_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """A part every fifteen hours is enough."""
    day = Day(70 * HOUR)
    watch_ = IdleWatch(UploadId("u1"), clock=lambda: day.now, sleep=day.sleep)
    day.at = dict.fromkeys((15.0, 30.0, 45.0, 60.0), watch_.sent)
    await run_a_day(watch_)
    assert not caplog.messages
    assert day.wakes < 12


async def test_a_writer_watches_its_upload_and_stops_with_it(
    store: MemoryStore, resources: TransferResources
) -> None:
    """It watches once there is an upload, and never keeps the block from ending."""
    async with open_writer(store, resources, options()) as writer:
        await writer.write(DATA[:MIB])
        watches = [writer._engine._remote.idle]
        await writer.write(DATA[MIB : 3 * MIB])
        await wait_all_tasks_blocked()
        watches.append(writer._engine._remote.idle)
    assert [watch is not None for watch in watches] == [False, True]
    assert store.archives == [DATA[: 3 * MIB]]
