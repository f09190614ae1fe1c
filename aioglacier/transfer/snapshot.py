"""The counters of a transfer, as progress displays poll them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferSnapshot:
    """The counters of a transfer at one moment.

    Attributes:
        size: Bytes of the whole, ``None`` while unknown.
        taken: Bytes taken from the source.
        moved: Bytes handed to or received from connections, each byte once.
        done: Bytes acknowledged by the service, or verified.
        parts_done: Parts acknowledged or verified.
        parts_in_flight: Parts being hashed, sent or received.
        workers: Tasks that other processes do at once; 0 if this process does all.
    """

    size: int | None
    taken: int
    moved: int
    done: int
    parts_done: int
    parts_in_flight: int
    workers: int = 0
