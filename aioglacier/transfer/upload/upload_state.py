"""The life of one upload as a table of states, after h11's ``_state.py``.

An upload takes parts, ends, and settles: that is when the request goes out that makes the archive. Every
change of state is a row of ``TRANSITIONS``. An event that a state does not list is a mistake of the engine
and raises ``IllegalTransitionError``.

The first failure is the one that counts: it stops the other parts, and every later call raises it. A failure
while the upload settles leaves it unclear whether the archive was made, unless the service refused it.
Nothing is unclear any more once the archive is made, and nothing that comes later changes that.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from aioglacier.core.errors import (
    CredentialsError,
    ServiceError,
    TemporaryServiceError,
    TransportError,
    UploadExpiredError,
    UploadFailedError,
    WriterClosedError,
)


class State(Enum):
    """The phase that an upload is in."""

    TAKING = auto()  # parts are taken and sent
    ENDING = auto()  # every part is taken; those under way have to arrive
    SETTLING = auto()  # the request that makes the archive is under way
    MADE = auto()  # there is an archive
    DRAINING = auto()  # nothing more is taken; parts that are being sent may arrive
    STOPPED = auto()  # there is no archive and nothing is sent
    UNCLEAR = auto()  # nothing is sent, and the service may have made the archive


class Event(Enum):
    """An event in the life of an upload."""

    TAKE = auto()  # a part was handed over
    END = auto()  # the caller has no more parts
    SETTLE = auto()  # the request that makes the archive begins
    MAKE = auto()  # the service has made the archive
    DRAIN = auto()  # the caller wants to stop and lose little
    FAIL = auto()  # an error, a cancellation or the caller stopped it
    REFUSE = auto()  # the service refused a request


class Fate(Enum):
    """The end of an unfinished upload at the service."""

    NONE = auto()  # there is none
    KEEP = auto()
    ABORT = auto()


TRANSITIONS: Final[dict[State, dict[Event, State]]] = {
    State.TAKING: {
        Event.TAKE: State.TAKING,
        Event.END: State.ENDING,
        Event.DRAIN: State.DRAINING,
        Event.FAIL: State.STOPPED,
        Event.REFUSE: State.STOPPED,
    },
    State.ENDING: {
        Event.SETTLE: State.SETTLING,
        Event.DRAIN: State.ENDING,  # within a deadline
        Event.FAIL: State.STOPPED,
        Event.REFUSE: State.STOPPED,
    },
    State.SETTLING: {
        Event.MAKE: State.MADE,
        Event.DRAIN: State.SETTLING,  # within a deadline
        Event.FAIL: State.UNCLEAR,
        Event.REFUSE: State.STOPPED,
    },
    State.MADE: {Event.DRAIN: State.MADE, Event.FAIL: State.MADE, Event.REFUSE: State.MADE},
    State.DRAINING: {
        Event.TAKE: State.DRAINING,  # a part that was being filled; it is not sent
        Event.DRAIN: State.DRAINING,
        Event.FAIL: State.DRAINING,
        Event.REFUSE: State.DRAINING,
    },
    State.STOPPED: {
        Event.TAKE: State.STOPPED,  # as above
        Event.DRAIN: State.STOPPED,
        Event.FAIL: State.STOPPED,
        Event.REFUSE: State.STOPPED,
    },
    State.UNCLEAR: {
        Event.MAKE: State.MADE,  # the answer came within the grace of a cancelled caller
        Event.DRAIN: State.UNCLEAR,
        Event.FAIL: State.UNCLEAR,
        Event.REFUSE: State.UNCLEAR,
    },
}


class IllegalTransitionError(Exception):
    """An event that cannot happen in this state."""


class UploadState:
    """The state of one upload, and the failure that every later call raises.

    Attributes:
        now: The state.
        failure: The error that stopped the upload.
        keep_unfinished: Whether the caller wants to keep the upload for a resume.
    """

    __slots__ = ("failure", "keep_unfinished", "now")

    def __init__(self, *, keep_unfinished: bool = False) -> None:
        self.now = State.TAKING
        self.failure: BaseException | None = None
        self.keep_unfinished = keep_unfinished

    def __repr__(self) -> str:
        return f"<UploadState {self.now.name} failure={self.failure!r}>"

    def advance(self, event: Event) -> None:
        """Change the state.

        Raises:
            IllegalTransitionError: The table has no such row.
        """
        following = TRANSITIONS[self.now].get(event)
        if following is None:
            raise IllegalTransitionError(f"{event.name} while {self.now.name}")
        self.now = following

    def check(self) -> None:
        """Raise the error that stopped the upload, if one did."""
        if self.failure is not None:
            raise self.failure

    def fail(self, error: BaseException) -> None:
        """Stop the upload for an error; only the first one counts."""
        if self.failure is None and self.now is not State.MADE:
            self.failure = as_failed_upload(error)
            error = self.failure
        self.advance(Event.REFUSE if isinstance(error, ServiceError) else Event.FAIL)

    def drain(self) -> None:
        """Take nothing more, and keep the upload; parts that are all taken may still become an archive."""
        if self.now is State.TAKING:
            self.failure = drained()
        self.keep_unfinished = True
        self.advance(Event.DRAIN)

    def abort(self) -> None:
        """Stop the upload, and do not keep it."""
        self.keep_unfinished = False
        self.fail(WriterClosedError("the writer was aborted"))

    def fate(self, error: BaseException | None) -> Fate:
        """Decide the fate of an upload that ``error`` ended, or that was left without an error.

        It is kept where the service could not be reached or the credentials ran out, because an abort could
        hardly be delivered then, and where it is unclear whether the archive was made, because an abort would
        destroy what can still settle that.
        """
        if self.now is State.MADE or isinstance(error, UploadExpiredError):
            return Fate.NONE
        is_out_of_reach = isinstance(error, UploadFailedError | CredentialsError)
        if self.now is State.UNCLEAR or self.keep_unfinished or is_out_of_reach:
            return Fate.KEEP
        return Fate.ABORT


def drained() -> UploadFailedError:
    """Return the error of an upload that was asked to stop before its end."""
    return UploadFailedError("the upload was asked to stop before its end")


def as_failed_upload(error: BaseException) -> BaseException:
    """Return an ``UploadFailedError`` for trouble that outlasted the retries, any other error as it is."""
    if not isinstance(error, TemporaryServiceError | TransportError) or not error.is_retryable:
        return error
    failure = UploadFailedError(f"the upload could not go on: {error}")
    failure.__cause__ = error
    failure.vault, failure.attempts, failure.elapsed_seconds = (
        error.vault,
        error.attempts,
        error.elapsed_seconds,
    )
    return failure
