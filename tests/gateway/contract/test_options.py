"""The times to wait, among the options of a connection."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from aioglacier.core.errors import ConfigurationError
from aioglacier.gateway.contract.options import Timeouts

NAMES = [field.name for field in fields(Timeouts)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_time_is_a_number_above_0(name: str, seconds: float) -> None:
    """Each timeout is checked by itself, and the message names it."""
    given: dict[str, Any] = {name: seconds}
    with pytest.raises(ConfigurationError, match=f"above 0; {name} is"):
        Timeouts(**given)


def test_a_completion_may_take_longer() -> None:
    """The service joins up to 10,000 parts before it answers."""
    assert Timeouts().completion == 600
    assert Timeouts(first_byte=10).completion == 50


def test_the_times_do_not_change() -> None:
    """The options of a connection are data that its parts may share."""
    with pytest.raises(FrozenInstanceError):
        Timeouts().stall = 1.0  # type: ignore[misc]
