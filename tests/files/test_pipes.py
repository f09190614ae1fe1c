"""Pipes are made to hold more, and never less."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from aioglacier.files import pipes

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform != "linux":
    pytest.skip("pipes have one size elsewhere", allow_module_level=True)

import fcntl
import pathlib


@pytest.fixture
def pipe() -> Iterator[int]:
    """One end of a pipe."""
    ends = os.pipe()
    yield ends[1]
    for end in ends:
        os.close(end)


def test_a_pipe_is_made_to_hold_a_mib(pipe: int) -> None:
    """Which everybody may."""
    pipes.enlarge(pipe)
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == pipes.PIPE_SIZE == 1024 * 1024


def test_a_larger_pipe_stays_as_it_is(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that made the pipe larger had a reason."""
    size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    monkeypatch.setattr(pipes, "PIPE_SIZE", size // 2)
    pipes.enlarge(pipe)
    assert fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == size


def test_what_is_no_pipe_is_left_alone() -> None:
    """A socket or a terminal takes what it takes."""
    with pathlib.Path(os.devnull).open("rb") as file:
        pipes.enlarge(file.fileno())
