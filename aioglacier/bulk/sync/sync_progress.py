"""The counters of a ``sync``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SyncSnapshot:
    """The progress of a ``sync``, for a display to poll.

    Attributes:
        looked_at: Paths.
        looked_at_size: Bytes of the files among them.
        is_looking: Whether the scan goes on, so that totals are not known yet.
        unchanged: Paths that are as on record.
        changed: Paths that differ from the record, so far.
        changed_size: Bytes of the files among them.
        archived: Paths that were packed or uploaded; they count once their archive is made.
        archived_size: Their bytes.
        recorded: Paths that were recorded without sending anything: their content is stored already.
        removed: Paths that are gone from the folder.
        failed: Paths that could not be archived.
        archives: Archives made.
        requests: Requests to the service, without repetitions.
        sent: Bytes handed to connections.
        current: Big files that are being uploaded.
    """

    looked_at: int
    looked_at_size: int
    is_looking: bool
    unchanged: int
    changed: int
    changed_size: int
    archived: int
    archived_size: int
    recorded: int
    removed: int
    failed: int
    archives: int
    requests: int
    sent: int
    current: tuple[str, ...] = ()


@dataclass(slots=True)
class SyncCounters:
    """The counts of the stages of one ``sync``; see ``SyncSnapshot``.

    Attributes:
        kept_files: Changed files and links that were on record and are still there.
        linked: Files whose content was stored already.
    """

    changed: int = 0
    changed_size: int = 0
    archived: int = 0
    archived_size: int = 0
    recorded: int = 0
    removed: int = 0
    kept_files: int = 0
    linked: int = 0
    archives: int = 0
    requests: int = 0
    sent: int = 0
