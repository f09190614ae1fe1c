"""The time that packing may wait for a part to be sent before it fills another buffer.

A buffer of a bundle has 64 MiB, so one more or less is what decides how much memory a ``sync`` takes. Small
files take seconds to pack into a part, and a service nearby takes the part in less than one: then one buffer
does, and a folder of a million files needs no more than one of fifty thousand. Where parts take longer to
send than to pack, each wait would be time lost, and parts go side by side instead, as far as the memory limit
allows.

Which it is, is known from both times, and so is the same on a machine that is busy with other things: packing
earns patience, waiting spends it, and when it is spent it is for good.
"""

from __future__ import annotations

from typing import Final

#: Waiting costs a third of the time at the most, and once as long as the first part took to pack.
_EARNED: Final = 0.5

#: A service that stalls after hours of packing is not waited for as long.
_MOST_SECONDS: Final = 30.0


class Patience:
    """The patience that is left, for all bundles of one ``sync``.

    Attributes:
        is_spent: Parts go side by side from now on.
    """

    def __init__(self) -> None:
        self.is_spent = False
        self._left: float | None = None

    def packed(self, seconds: float) -> None:
        """A part was full after so many seconds."""
        earned = seconds if self._left is None else self._left + _EARNED * seconds
        self._left = min(earned, _MOST_SECONDS)

    def has(self, seconds: float) -> bool:
        """Whether a wait may have taken so long, and go on."""
        if self._left is None or seconds >= self._left:
            self.is_spent = True
        return not self.is_spent

    def waited(self, seconds: float) -> None:
        """A wait for a part to be gone took so many seconds."""
        if self._left is not None:
            self._left -= seconds
