"""Named tuples that are made without ``typing``."""

from __future__ import annotations

import pickle
import typing

import pytest

from aioglacier.core.tuples import NamedTuple


class Ours(NamedTuple):
    """Some fields."""

    size: int
    name: str = ""

    @classmethod
    def of(cls, text: str) -> Ours:
        """One of a text."""
        return cls(len(text), text)

    @property
    def is_named(self) -> bool:
        """Whether it has a name."""
        return bool(self.name)


class Theirs(typing.NamedTuple):
    """Some fields."""

    size: int
    name: str = ""


def test_they_are_like_those_of_typing() -> None:
    """Fields, defaults, ``repr``, comparison and pickling equal those of ``typing``."""
    assert Ours._fields == Theirs._fields
    assert Ours._field_defaults == Theirs._field_defaults
    assert Ours.__doc__ == Theirs.__doc__
    assert repr(Ours(1)) == repr(Theirs(1)).replace("Theirs", "Ours")
    assert Ours(1, "a") == (1, "a") == Theirs(1, "a")
    assert Ours(name="a", size=1)._replace(size=2) == (2, "a")
    assert pickle.loads(pickle.dumps(Ours(3))) == Ours(3)  # noqa: S301  # our own
    assert typing.get_type_hints(Ours) == typing.get_type_hints(Theirs)
    with pytest.raises(TypeError, match="size"):
        Ours()  # type: ignore[call-arg]  # which is what is tried


def test_they_have_the_methods_that_were_declared() -> None:
    """Methods of the instance and of the class are there."""
    assert Ours.of("ab") == (2, "ab")
    assert Ours.of("ab").is_named
    assert not Ours(2).is_named
