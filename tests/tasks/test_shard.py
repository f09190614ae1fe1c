"""Shares of work."""

from __future__ import annotations

import pytest

from aioglacier.core.errors import ConfigurationError
from aioglacier.tasks.shard import WHOLE, Shard


def test_each_key_is_in_one_shard() -> None:
    """The shards of one count divide the keys: none is in two, none is left out, and each has its part."""
    keys = [b"%d" % number for number in range(4000)]
    for count in (1, 2, 4, 7):
        shards = [Shard(number, count) for number in range(1, count + 1)]
        held = [sum(shard.has(key) for shard in shards) for key in keys]
        assert held == [1] * len(keys)
        for shard in shards:
            assert sum(map(shard.has, keys)) == pytest.approx(len(keys) / count, rel=0.2)


def test_a_key_stays_in_its_shard() -> None:
    """The shard of a key is the same on every machine and in every release."""
    assert [Shard(number, 4).has("archive") for number in (1, 2, 3, 4)] == [False, True, False, False]
    assert Shard(2, 4).has(b"archive")


def test_parts_of_an_amount_add_up() -> None:
    """An amount is divided without a rest."""
    for amount in (0, 1, 5, 1000):
        assert sum(Shard(number, 3).part_of(amount) for number in (1, 2, 3)) == amount
    assert WHOLE.part_of(7) == 7


def test_a_shard_is_read_and_written_as_text() -> None:
    """Anything but I/N, from 1/N to N/N, is refused."""
    assert Shard.parse("2/4") == Shard(2, 4)
    assert str(Shard(2, 4)) == "2/4"
    for text in ("", "2", "/", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.5/2"):
        with pytest.raises(ConfigurationError, match="shard"):
            Shard.parse(text)
