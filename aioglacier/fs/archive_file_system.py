"""The common base of the file systems of vaults and buckets: paths, folders and files.

A path is PLACE/NAME. A name may have slashes, so that folders appear, as in a bucket, and none is empty.
An archive never changes: a name that is written again is another archive, or refused, as the place has it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from fsspec.spec import AbstractFileSystem

from aioglacier.fs.archive_files import NewArchiveFile, RetrievedFile
from aioglacier.fs.portal import Portal

if TYPE_CHECKING:
    import io
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from aioglacier.client.glacier import Glacier
    from aioglacier.transfer.upload.writer import ArchiveWriter

    Info = dict[str, Any]

#: Arguments that fsspec itself understands.
_OF_FSSPEC: Final = (
    "use_listings_cache",
    "listings_expiry_time",
    "max_paths",
    "skip_instance_cache",
    "asynchronous",
)


class ArchiveFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A file system of archives, opened when it is first used.

    Args:
        catalog: The file or database of the catalog, which has the names; by default the user's own.
        retrieve: A tier, as "Bulk": retrieve what is read and was not retrieved, which costs money, and wait
            for it, for hours. By default that is a ``NotRetrievedError``, which names the call to make.
        options: Further arguments of ``aioglacier.connect()``, as ``region_name`` and ``endpoint_url``.
    """

    root_marker: ClassVar[str] = ""

    def __init__(self, *, catalog: str | None = None, retrieve: str | None = None, **options: Any) -> None:
        own = {name: options.pop(name) for name in _OF_FSSPEC if name in options}
        super().__init__(**own)
        self.retrieve = retrieve
        self._catalog = catalog
        self._connecting = options
        self._portal: Portal | None = None

    def close(self) -> None:
        """Close the connection, if one is open. Another call opens it again."""
        if self._portal is not None:
            self._portal.close()
            self._portal = None

    # --- of each kind of place

    @abstractmethod
    async def _places(self, glacier: Glacier) -> list[str]:
        """Return the names of all places."""

    @abstractmethod
    async def _list(self, glacier: Glacier, place: str, prefix: str) -> dict[str, Info]:
        """Return the archives whose names begin with ``prefix``, by name."""

    @abstractmethod
    async def _info(self, glacier: Glacier, place: str, name: str) -> Info | None:
        """Return one archive."""

    @abstractmethod
    def _writer(
        self, glacier: Glacier, place: str, name: str, *, is_new: bool
    ) -> AbstractAsyncContextManager[ArchiveWriter[Any]]:
        """Open a writer."""

    @abstractmethod
    async def _read(self, glacier: Glacier, info: Info, start: int, stop: int) -> bytes:
        """Return verified bytes of an archive that was retrieved."""

    @abstractmethod
    async def _delete(self, glacier: Glacier, place: str, info: Info) -> None:
        """Delete one archive."""

    @abstractmethod
    async def _make_place(self, glacier: Glacier, place: str) -> None:
        """Make a place."""

    @abstractmethod
    async def _remove_place(self, glacier: Glacier, place: str) -> None:
        """Remove an empty place."""

    # --- what fsspec asks for

    def ls(self, path: str, detail: bool = True, **_options: Any) -> list[Any]:  # fsspec's
        """List the places, or the archives and folders of one folder."""
        path = self._strip_protocol(path)
        place, _, folder = path.partition("/")
        if not place:
            found = [_folder(name) for name in self._call(self._places)]
        else:
            prefix = f"{folder}/" if folder else ""
            found = _children(path, prefix, self._call(self._list, place, prefix))
            if not found and folder:  # fsspec lists a file as itself
                found = [self.info(path)]
        return found if detail else [info["name"] for info in found]

    def info(self, path: str, **_options: Any) -> Info:
        """Return the facts of an archive or a folder."""
        path = self._strip_protocol(path)
        place, _, name = path.partition("/")
        if not name:
            if place and place not in self._call(self._places):
                raise FileNotFoundError(path)
            return _folder(path)
        found = self._call(self._info, place, name)
        if found is not None:
            return {**found, "name": path}
        if self._call(self._list, place, f"{name}/"):
            return _folder(path)
        raise FileNotFoundError(path)

    def created(self, path: str) -> datetime:
        """Return when an archive was made."""
        created: datetime = self.info(path)["created"]
        return created

    modified = created  # an archive never changes

    def mkdir(self, path: str, *_arguments: Any, **_options: Any) -> None:
        """Make a place; a folder in it exists once an archive is in it."""
        place, _, folder = self._strip_protocol(path).partition("/")
        if place and not folder:  # folders are made by the names in them
            self._call(self._make_place, place)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a place, as ``mkdir``."""
        if "/" not in self._strip_protocol(path) and not (exist_ok and self.exists(path)):
            self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty place; a folder goes with its last archive."""
        place, _, folder = self._strip_protocol(path).partition("/")
        if not folder:
            self._call(self._remove_place, place)

    def rm_file(self, path: str) -> None:
        """Delete an archive, for good."""
        place, _, _ = self._strip_protocol(path).partition("/")
        info = self.info(path)
        if info["type"] == "file":  # a folder ends with its last file
            self._call(self._delete, place, info)

    def rm(self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete archives, for good; a place itself stays."""
        for each in self.expand_path(path, recursive=recursive, maxdepth=maxdepth):
            self.rm_file(each)

    def cp_file(self, path1: str, path2: str, **_options: Any) -> NoReturn:
        """Refuse: the service copies no archive."""
        raise NotImplementedError(f"{path1!r} cannot be copied to {path2!r}: read it, and write it there")

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,  # fsspec's
        cache_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> io.IOBase:
        place, _, name = path.partition("/")
        if not name:
            raise IsADirectoryError(path)
        if mode in {"wb", "xb"}:
            # Before bytes are taken; a bucket refuses at the end as well.
            if mode == "xb" and self.exists(path):
                raise FileExistsError(path)
            portal = self._open_portal()
            writer = self._writer(portal.glacier, place, name, is_new=mode == "xb")
            return NewArchiveFile(portal, writer, autocommit=autocommit)
        if mode != "rb":
            raise ValueError(
                f"mode {mode!r} is not possible: an archive is written whole ('wb', 'xb') or read"
            )
        info = self.info(path)
        if info["type"] != "file":
            raise IsADirectoryError(path)
        return RetrievedFile(
            self,
            path,
            block_size=block_size or "default",
            cache_options=cache_options,
            size=info["size"],
            fetch=lambda start, stop: self._call(self._read, info, start, stop),
            **options,
        )

    # --- inside

    def _open_portal(self) -> Portal:
        if self._portal is None:
            self._portal = Portal(self._catalog, self._connecting)
        return self._portal

    def _call(self, function: Any, *arguments: Any) -> Any:
        portal = self._open_portal()
        return portal.loop.call(function, portal.glacier, *arguments)


def _folder(path: str) -> Info:
    return {"name": path, "size": 0, "type": "directory"}


def _children(path: str, prefix: str, found: dict[str, Info]) -> list[Info]:
    """Return the archives and folders directly below a path."""
    children: dict[str, Info] = {}
    for name, info in sorted(found.items()):
        child, _, below = name.removeprefix(prefix).partition("/")
        full = f"{path}/{child}"
        if below:
            children.setdefault(full, _folder(full))
        else:
            children[full] = {**info, "name": full}
    return list(children.values())
