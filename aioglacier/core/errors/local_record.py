"""Errors of the catalog."""

from __future__ import annotations

from aioglacier.core.errors.root import GlacierError


class CatalogError(GlacierError):
    """The catalog cannot be read or written; nothing is sent that it cannot record.

    Attributes:
        path: The catalog's file.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class CatalogBusyError(CatalogError):
    """Another process kept the catalog locked for too long.

    Attributes:
        waited_seconds: The length of the wait.
    """

    def __init__(self, message: str, *, waited_seconds: float, path: str | None = None) -> None:
        super().__init__(message, path=path)
        self.waited_seconds = waited_seconds


class CatalogDamagedError(CatalogError):
    """The catalog is truncated, overwritten or another kind of file; it was kept under another name.

    Attributes:
        moved_to: Its new path.
    """

    def __init__(self, reason: str, *, path: str, moved_to: str) -> None:
        super().__init__(
            f"the catalog {path!r} is damaged ({reason}) and was kept as {moved_to!r}. Put a copy back in "
            "its place, or begin a new one: 'aioglacier inventory VAULT' fills it for each vault, then "
            "'aioglacier catalog recover VAULT' for folders",
            path=path,
        )
        self.moved_to = moved_to


class CatalogMismatchError(CatalogError):
    """The catalog's record belongs to another vault, region, account or archive.

    Attributes:
        recorded: The value on record.
        found: The value found.
    """

    def __init__(self, message: str, *, recorded: str, found: str, path: str | None = None) -> None:
        super().__init__(f"{message}: on record is {recorded}, but this is {found}", path=path)
        self.recorded = recorded
        self.found = found


class UploadLockedError(CatalogError):
    """Another process uploads or syncs the same source to the same vault; its lock ends with it.

    Attributes:
        source: The source.
        pid: That process, ``None`` if it has not written it yet.
        host: The machine that it runs on, or ``None``.
    """

    def __init__(
        self, *, source: str, pid: int | None = None, host: str | None = None, path: str | None = None
    ) -> None:
        who = "another process" if pid is None else f"process {pid} on {host}"
        super().__init__(f"{source!r} is in use by {who}; wait for it or stop it", path=path)
        self.source = source
        self.pid = pid
        self.host = host
