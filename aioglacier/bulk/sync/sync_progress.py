"""The counters of a ``sync``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SyncSnapshot:
    """The progress of a ``sync``, as a copy for a display to poll.

    Attributes:
        looked_at: Paths scanned.
        looked_at_size: Bytes of the files among them.
        is_looking: Whether the scan goes on, so that the totals are not known yet.
        unchanged: Paths that are as on record.
        changed: Paths that differ from the record, so far.
        changed_size: Bytes of the files among them.
        archived: Paths that were packed or uploaded; they count once their archive is made.
        archived_size: Their bytes.
        recorded: Paths that were recorded without an upload, because their content is stored already.
        removed: Paths that are gone from the folder.
        failed: Paths that could not be archived.
        archives: Archives made.
        requests: Requests to the service, without repetitions.
        sent: Bytes handed to connections.
        current: Big files that are being uploaded.
    """

    looked_at: int = 0
    looked_at_size: int = 0
    is_looking: bool = True
    unchanged: int = 0
    changed: int = 0
    changed_size: int = 0
    archived: int = 0
    archived_size: int = 0
    recorded: int = 0
    removed: int = 0
    failed: int = 0
    archives: int = 0
    requests: int = 0
    sent: int = 0
    current: tuple[str, ...] = ()
