"""The number of pieces that a reader fetches at once."""

from __future__ import annotations


class ReadingPace:
    """Decides how many pieces are fetched at once, by the waits of the program that reads.

    Every program waits for the first piece, so it begins with two, which is enough for a program that is
    slower than the path. A wait doubles the number if the program has waited in the round before, that is,
    within as many pieces: where the path is too slow, it waits in each round. A single wait, as a busy
    machine makes it, takes no more memory for the rest of the output.

    Attributes:
        at_once: The number of pieces.
    """

    def __init__(self, most: int) -> None:
        self.at_once = 1  # until the wait for the first piece
        self._most = most
        self._given = 0
        self._waited_at = 0  # how many pieces were given out at the last wait

    def narrow(self, most: int) -> None:
        """Fetch no more than so many at once from now on."""
        self._most = min(self._most, most)
        self.at_once = min(self.at_once, most)

    def note_wait(self) -> None:
        """Note that the program waits for the next piece."""
        if self._given - self._waited_at <= self.at_once:
            self.at_once = min(2 * self.at_once, self._most)
        self._waited_at = self._given

    def note_given(self) -> None:
        """Note that a piece was given out."""
        self._given += 1
