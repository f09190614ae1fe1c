"""Tests of the limits that a caller sets, within what the system grants."""

from __future__ import annotations

from typing import Any

import pytest

from aioglacier.core.errors import ConfigurationError
from aioglacier.transfer.budget import allowance
from aioglacier.transfer.budget.allowance import Allowance, Limits, default_memory_limit
from aioglacier.transfer.resources import open_resources

MIB = 1024 * 1024
GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory": 1024}, "Limits.memory is 1024 bytes; it must be at least 1 MiB"),
        ({"concurrency": 0}, "Limits.concurrency is 0; it must be at least 1"),
        ({"hash_workers": -1}, "Limits.hash_workers is -1; it must be at least 1"),
    ],
)
def test_limits_that_are_too_small_are_refused(values: dict[str, Any], message: str) -> None:
    """The error names the limit, its value and the least value."""
    with pytest.raises(ConfigurationError, match=message):
        Limits(**values)


def test_parts_are_hashed_in_one_of_three_places() -> None:
    """Another word than the three is refused."""
    for word in ("auto", "processes", "threads"):
        Allowance.of(Limits(), word)
    with pytest.raises(
        ConfigurationError, match='hash_in is \'clouds\'; it must be "auto", "processes" or "threads"'
    ):
        Allowance.of(Limits(), "clouds")  # type: ignore[arg-type]  # what is tested


async def test_the_number_of_buffers_follows_the_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """With few descriptors allowed there are few connections and buffers, and with too few an error."""
    resource = pytest.importorskip("resource")
    for soft, connections, buffers in (
        (1024, 64, 466),
        (64, 9, 13),
        (40, 1, 5),
        (resource.RLIM_INFINITY, 64, None),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        granted = Allowance.of(Limits(memory=256 * MIB, hash_workers=2))
        assert (granted.concurrency, granted.buffers) == (connections, buffers)
        async with open_resources(Limits(memory=256 * MIB, hash_workers=2)) as resources:
            assert resources.connections.controller.ceiling == connections
    monkeypatch.setattr(resource, "getrlimit", lambda _: (39, 39))
    with pytest.raises(ConfigurationError, match=r"39 files .*take 40; raise that limit$"):
        Allowance.of(Limits(hash_workers=2))
    assert Allowance.of(Limits(hash_workers=2), "threads").concurrency == 15
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    with pytest.raises(ConfigurationError, match=r"take 85; raise that limit, or ask for .* 9 at most"):
        Allowance.of(Limits(concurrency=16, hash_workers=2))


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        (None, 256 * MIB),
        (300 * MIB, 64 * MIB),
        (GIB, 256 * MIB),
        (16 * GIB, 256 * MIB),
        (48 * GIB, 512 * MIB),
        (1024 * GIB, GIB),
    ],
)
def test_the_memory_limit_follows_the_machine(
    granted: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is 256 MiB on most machines, a quarter of a small container, more on large machines."""
    monkeypatch.setattr(allowance, "granted_memory", lambda: granted)
    assert default_memory_limit() == expected
