"""Tests of the table of states of one upload: every state with every event, and every fate."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, strategies as st

from aioglacier.core.errors import (
    AccessDeniedError,
    ConnectionLostError,
    CredentialsError,
    UploadExpiredError,
    UploadFailedError,
    WriterClosedError,
)
from aioglacier.transfer.upload.upload_state import (
    TRANSITIONS,
    Event,
    Fate,
    IllegalTransitionError,
    State,
    UploadState,
)

REFUSED = AccessDeniedError(
    "no", operation="CompleteMultipartUpload", code="AccessDeniedException", status=403
)

#: A way into every state.
WAYS: dict[State, list[Event]] = {
    State.TAKING: [Event.TAKE],
    State.ENDING: [Event.TAKE, Event.END],
    State.SETTLING: [Event.END, Event.SETTLE],
    State.MADE: [Event.END, Event.SETTLE, Event.MAKE],
    State.DRAINING: [Event.DRAIN],
    State.STOPPED: [Event.FAIL],
    State.UNCLEAR: [Event.END, Event.SETTLE, Event.FAIL],
}


def state_at(state: State) -> UploadState:
    """Return an upload in a state."""
    upload = UploadState()
    for event in WAYS[state]:
        upload.advance(event)
    assert upload.now is state
    return upload


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_event_leads_where_the_table_says(state: State, event: Event) -> None:
    """An event without a row raises, and leaves the state as it is."""
    upload = state_at(state)
    expected = TRANSITIONS[state].get(event)
    if expected is None:
        with pytest.raises(IllegalTransitionError, match=f"{event.name} while {state.name}"):
            upload.advance(event)
        assert upload.now is state
    else:
        upload.advance(event)
        assert upload.now is expected


@given(st.lists(st.sampled_from(list(Event))))
def test_what_is_decided_stays_decided(events: list[Event]) -> None:
    """No sequence of legal events undoes an archive, takes parts after the end or begins a second one."""
    upload, seen = UploadState(), [State.TAKING]
    for event in events:
        if event in TRANSITIONS[upload.now]:
            upload.advance(event)
            seen.append(upload.now)
    if State.MADE in seen:
        assert set(seen[seen.index(State.MADE) :]) == {State.MADE}
    left = next((at for at, state in enumerate(seen) if state is not State.TAKING), len(seen))
    assert State.TAKING not in seen[left:]
    if State.STOPPED in seen:
        assert set(seen[seen.index(State.STOPPED) :]) == {State.STOPPED}


@pytest.mark.parametrize("state", State)
def test_the_first_failure_counts(state: State) -> None:
    """Later failures change neither the error that calls raise nor, after an archive, anything at all."""
    upload, first = state_at(state), KeyError("first")
    upload.fail(first)
    upload.fail(ValueError("second"))
    assert upload.failure is (None if state is State.MADE else first)
    if state is not State.MADE:
        with pytest.raises(KeyError):
            upload.check()


def test_trouble_that_outlasted_the_retries_is_an_upload_that_failed() -> None:
    """The error of the connection is the cause."""
    upload, error = (
        UploadState(),
        ConnectionLostError("gone", operation="UploadMultipartPart", may_have_taken_effect=True),
    )
    upload.fail(error)
    assert isinstance(upload.failure, UploadFailedError)
    assert upload.failure.__cause__ is error


@pytest.mark.parametrize(("error", "expected"), [(REFUSED, State.STOPPED), (KeyError("mine"), State.UNCLEAR)])
def test_only_a_refusal_makes_clear_that_there_is_no_archive(error: Exception, expected: State) -> None:
    """Any other failure of the request that makes the archive leaves it open."""
    upload = state_at(State.SETTLING)
    upload.fail(error)
    assert upload.now is expected


@pytest.mark.parametrize("state", State)
def test_draining_keeps_the_upload_and_fails_only_what_still_takes_parts(state: State) -> None:
    """After the end of the parts the archive may still be made."""
    upload = state_at(state)
    upload.drain()
    assert upload.keep_unfinished
    assert isinstance(upload.failure, UploadFailedError) == (state is State.TAKING)


def test_an_abort_takes_back_that_an_upload_is_kept() -> None:
    """The error of the next call says that the writer was aborted."""
    upload = UploadState(keep_unfinished=True)
    upload.abort()
    assert isinstance(upload.failure, WriterClosedError)
    assert upload.fate(None) is Fate.ABORT


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "error",
    [None, KeyError("mine"), REFUSED, UploadFailedError("x"), CredentialsError("x"), UploadExpiredError("x")],
)
@pytest.mark.parametrize("state", State)
def test_the_fate_of_an_upload(state: State, error: Exception | None, *, keep: bool) -> None:
    """Kept if it is unclear, wanted or out of reach; nothing to do with an archive or an expired upload."""
    upload = state_at(state)
    upload.keep_unfinished = keep
    if state is State.MADE or isinstance(error, UploadExpiredError):
        expected = Fate.NONE
    elif keep or state is State.UNCLEAR or isinstance(error, UploadFailedError | CredentialsError):
        expected = Fate.KEEP
    else:
        expected = Fate.ABORT
    assert upload.fate(error) is expected
