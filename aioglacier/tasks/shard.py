"""One of several shares of the same work, each done by a process that knows nothing of the others."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from aioglacier.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shares: ``Shard(2, 4)`` is the second of four.

    The SHA-256 of a key decides which share has it: the id of an archive, the path of a file. So the shares
    of one count never overlap, on any machine, and none is left out.

    Attributes:
        number: From 1.
        count: The number of shares.

    Raises:
        ConfigurationError: There is no such share.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigurationError(
                f"there is no shard {self}; the shards of four are 1/4, 2/4, 3/4 and 4/4"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the share of a text such as "2/4".

        Raises:
            ConfigurationError: The text is no share.
        """
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise ConfigurationError(f"{text!r} is not a shard; the second of four is 2/4")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, key: bytes | str) -> bool:
        """Return whether the work of this key is in this share."""
        if self.count == 1:
            return True
        digest = sha256(key.encode() if isinstance(key, str) else key).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def part_of(self, amount: int) -> int:
        """Return this share of an amount; the shares of all add up to it."""
        return (amount + self.count - self.number) // self.count


#: All of the work.
WHOLE: Final = Shard(1, 1)
