"""The wait for a retrieval."""

from __future__ import annotations

import anyio
import pytest

from aioglacier.client.retrieval import wait_until_done
from aioglacier.core.errors import ConnectionLostError, GlacierError, WaitTimeoutError


class Answers:
    """Gives prepared answers in turn; errors are raised."""

    def __init__(self, *answers: str | GlacierError | None) -> None:
        self.left = list(answers)

    async def look(self) -> str | None:
        """Give the next one."""
        answer = self.left.pop(0)
        if isinstance(answer, GlacierError):
            raise answer
        return answer


def lost(*, is_retryable: bool = True) -> ConnectionLostError:
    """A connection that broke."""
    error = ConnectionLostError("lost", operation="DescribeJob", may_have_taken_effect=False)
    error.is_retryable = is_retryable
    return error


async def test_what_is_done_is_not_waited_for() -> None:
    """The first question is asked at once, also with a timeout of 0."""
    assert await wait_until_done("job x", Answers("done").look, timeout_seconds=0) == "done"


async def test_waiting_goes_on_while_the_service_cannot_be_reached() -> None:
    """A broken connection counts as "not yet", and ``pause`` replaces the time between two questions."""
    pauses: list[int] = []

    async def pause() -> None:
        pauses.append(1)
        await anyio.lowlevel.checkpoint()

    answers = Answers(lost(), None, lost(), "done")
    assert await wait_until_done("job x", answers.look, timeout_seconds=60, pause=pause) == "done"
    assert len(pauses) == 3


@pytest.mark.slow
async def test_an_error_that_stays_ends_the_wait() -> None:
    """A certificate that is wrong now is wrong in an hour."""
    with pytest.raises(ConnectionLostError):
        await wait_until_done("job x", Answers(None, lost(is_retryable=False)).look, timeout_seconds=60)


async def test_a_wait_that_ends_says_that_the_job_continues() -> None:
    """The error has the time that was waited."""
    with pytest.raises(WaitTimeoutError, match=r"job x was not done within 0 s\. It continues") as caught:
        await wait_until_done("job x", Answers(None, None).look, timeout_seconds=0)
    assert caught.value.waited_seconds == 0
