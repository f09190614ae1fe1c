"""Completion by a shell: names of files, and of vaults on record, besides commands and options."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.global_options import given_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    _OfAny = click.ParamType[Any]
else:
    _OfAny = click.ParamType  # generic since click 8.4 only


class _Path(_OfAny):
    """A name of any bytes, which a shell completes to what is there."""

    name = "text"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # only shells need it

        del ctx, param
        return [CompletionItem(incomplete, type=self._kind)]


class _RecordedVault(_OfAny):
    """A vault or a place, which a shell completes to those on record; no service is asked."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self.name = inner.name
        self._inner = inner

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._inner.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415  # as above

        del param
        with suppress(Exception):  # whatever is wrong with the catalog, its commands say
            return [CompletionItem(name) for name in _names_on_record(ctx) if name.startswith(incomplete)]
        return []


def _names_on_record(ctx: click.Context) -> list[str]:
    import asyncio  # noqa: PLC0415  # as above

    from aioglacier.catalog import Catalog  # noqa: PLC0415
    from aioglacier.catalog.storage.sqlite_file import default_path  # noqa: PLC0415

    path = str(given_value(ctx, "catalog") or os.environ.get("AIOGLACIER_CATALOG") or default_path())

    async def names() -> list[str]:
        async with Catalog.open(path, busy_timeout_seconds=0.5) as catalog:
            return sorted({key.vault for key in await catalog.archives.vault_keys()})

    # A file that is not there would be made, and a database may be far away.
    return asyncio.run(names()) if os.path.isfile(path) else []  # noqa: PTH113  # of any bytes


_PATHS: Final = {"DIR": _Path("dir"), "FOLDER": _Path("dir")} | dict.fromkeys(
    ("FILE", "SOURCE", "TARGET", "PATH"), _Path("file")
)


def complete_names(parameters: Sequence[click.Parameter]) -> None:
    """Let shells complete files where the help says FILE, DIR and the like, and vaults where one is due."""
    for parameter in parameters:
        if parameter.type is click.STRING:
            words = (parameter.metavar or "").replace("[", " ").replace("]", " ").replace(".", " ").split()
            parameter.type = next((_PATHS[word] for word in words if word in _PATHS), parameter.type)
        elif parameter.type.name in {"vault", "place", "bucket place"}:
            parameter.type = _RecordedVault(parameter.type)
