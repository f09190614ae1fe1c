"""``aioglacier demo``: an archive there and back against a local Glacier, in a minute, without an account.

Apart from the place, everything is as with AWS: the same client, signed requests over HTTP, retrieval jobs.
The restored bytes are compared with the original, and the tree hash with a second implementation, written
here from the definition in the developer guide.
"""

from __future__ import annotations

import random
import shlex
import shutil
import tempfile
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aioglacier.cli.program.command import command as make_command
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.program.parameters import SIZE
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.render.escaping import escape
from aioglacier.cli.render.progress import showing
from aioglacier.cli.render.sizes import show_rate, show_seconds, show_size
from aioglacier.core.errors import EmptyArchiveError
from aioglacier.core.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aioglacier.cli.program.session import Session
    from aioglacier.client.vault import Vault
    from aioglacier.core.models import Archive

_SEED: Final = 20120820  # the day Glacier began
_VAULT: Final = "demo"


@make_command("demo")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False))
@click.option("--size", type=SIZE, default="256MiB", show_default=True, help="Size of the file to make.")
@click.option(
    "--keep", metavar="DIR", type=click.Path(file_okay=False), help="Work in DIR and keep all files."
)
def command(session: Session, file: str | None, size: int, keep: str | None) -> int:
    """Archive FILE, or a file made for it, in a local Glacier, get it back, and prove that it is the same.

    Needs no account and no network, costs nothing and waits for nothing. It takes about three times the size
    on disk, in a temporary folder that is removed, or in the one that --keep names.
    """
    if file is None and size == 0:
        raise EmptyArchiveError("a file of 0 bytes was asked for")
    folder = Path(keep) if keep is not None else Path(tempfile.mkdtemp(prefix="aioglacier-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _check_room(folder, size if file is None else Path(file).stat().st_size)
        demo = _Demo(session, folder, Path(file) if file is not None else None, size)
        session.run_async(demo.run)
        demo.tell(is_kept=keep is not None)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    return Exit.DONE


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < 3 * size:
        raise CommandError(
            f"{str(folder)!r} has {show_size(free)} free, and a demo of {show_size(size)} needs three times "
            "its size; choose a smaller --size, or --keep on another disk"
        )


@dataclass
class _Demo:
    session: Session
    folder: Path
    file: Path | None
    size: int
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    async def run(self) -> None:
        """Run all steps, and print each one when it is done."""
        from anyio import from_thread, to_thread  # noqa: PLC0415  # not needed for help

        from aioglacier.client.glacier import connect  # noqa: PLC0415

        check = from_thread.check_cancelled
        self._say(f"A local Glacier in {self.folder / 'glacier'}: no account, no network, no cost.")
        self._line("")
        if self.file is None:
            self.file = self.folder / "original"
            with self._step("make", f"{show_size(self.size)} of pseudo-random bytes"):
                await to_thread.run_sync(_make_file, self.file, self.size, check)
        else:
            self.size = self.file.stat().st_size
            if self.size == 0:
                raise EmptyArchiveError(f"{str(self.file)!r} has no bytes")
        limits = self.session.settings.limits()
        async with connect(endpoint_url=f"local:{self.folder / 'glacier'}", limits=limits) as glacier:
            vault = await glacier.create_vault(_VAULT)
            with self._step("upload", "block by block, as a stream"):
                archive = await self._upload(vault)
            self._detail("archive id", archive.id)
            self._detail("tree hash", archive.tree_hash.hex())
            with self._step("retrieve", "a retrieval job; at AWS it takes hours", moves=False):
                job = await vault.retrieve(archive.id, tier="Bulk")
                await job.wait_until_done()
            restored = self.folder / "restored"
            with self._step("download", "parallel ranges, verified, then renamed"):
                download = await job.prepare_download(restored, overwrite=True)
                async with showing(self.session.output, "download", download, sums_up=False):
                    await download.run()
        with self._step("compare", "what came back, byte for byte"):
            same = await to_thread.run_sync(_is_same, self.file, restored, check)
        with self._step("verify", "the tree hash, by another implementation"):
            tree_hash = await to_thread.run_sync(simple_tree_hash, self.file, check)
        self.facts = {
            "archive_id": archive.id,
            "size": archive.size,
            "tree_hash": archive.tree_hash.hex(),
            "same_bytes": same,
            "same_tree_hash": tree_hash == archive.tree_hash,
        }
        if not (same and tree_hash == archive.tree_hash):
            raise CommandError("what came back is not what went in; please report it", Exit.INTEGRITY)

    async def _upload(self, vault: Vault) -> Archive:
        assert self.file is not None  # noqa: S101  # made or given by now
        with self.file.open("rb", buffering=0) as source:  # from the page cache, in well under a millisecond
            description = f"demo of {show_size(self.size)}"
            async with (
                vault.open_writer(description=description) as writer,
                showing(self.session.output, "upload", writer, sums_up=False),
            ):
                while block := source.read(MIB):
                    await writer.write(block)
                return await writer.complete()

    def tell(self, *, is_kept: bool) -> None:
        """Print the end."""
        output = self.session.output
        if output.is_json:
            seconds = {name: round(taken, 3) for name, taken in self.seconds.items()}
            output.record(
                {**self.facts, "seconds": seconds, "directory": str(self.folder) if is_kept else None}, str
            )
            return
        self._line("")
        self._say("The same bytes came back, and both implementations agree on the tree hash.")
        if is_kept:
            self._say(f"All of it is in {self.folder}. To look at it:")
            self._command("--local", str(self.folder / "glacier"), "vault", "list")
        else:
            self._say("The folder is removed; use --keep DIR to look at it.")
        self._say("Next:")
        self._command("--local", "DIR", "vault", "create", "photos")
        self._command("--local", "DIR", "upload", "photos", "FILE")

    @contextmanager
    def _step(self, name: str, what: str, *, moves: bool = True) -> Iterator[None]:
        started = time.monotonic()
        yield
        taken = self.seconds[name] = time.monotonic() - started
        rate = show_rate(self.size, taken) if moves else ""
        figures = f"  {name:<9} {show_seconds(taken):>8} {rate:>11}"
        if len(figures) + 2 + len(what) <= self._width:
            self._say(f"{figures}  {what}")
        else:
            self._say(figures.rstrip())
            self._say(what, indent="    ")

    def _detail(self, name: str, value: str) -> None:
        self._line(f"  {name:<12}{escape(value)}")

    def _command(self, *words: str) -> None:
        self._line(escape(f"  {shlex.join(['aioglacier', *words])}"))

    @property
    def _width(self) -> int:
        return self.session.output.width or 80

    def _say(self, text: str, indent: str = "") -> None:
        """Print a sentence, broken between words at the width of the terminal."""
        wrapped = textwrap.wrap(
            escape(text),
            self._width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._line("\n".join(wrapped))

    def _line(self, text: str) -> None:
        """Print a line; one that is copied, as an id or a command, is not broken."""
        if not self.session.output.is_json and not self.session.output.is_quiet:
            self.session.output.line(text)


# These run in a thread and call ``check`` often, which raises once the demo is stopped.


def _make_file(path: Path, size: int, check: Callable[[], None]) -> None:
    generator = random.Random(_SEED)  # noqa: S311  # the same bytes each time, not secret ones
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            check()
            file.write(generator.randbytes(min(MIB, size - start)))


def _is_same(path: Path, other: Path, check: Callable[[], None]) -> bool:
    with path.open("rb") as left, other.open("rb") as right:
        while True:
            check()
            block = left.read(MIB)
            if block != right.read(MIB):
                return False
            if not block:
                return True


def simple_tree_hash(path: Path, check: Callable[[], None] = lambda: None) -> bytes:
    """Return the tree hash by its definition, without any code of the one that is checked."""
    with path.open("rb") as file:
        level = []
        while leaf := file.read(1024 * 1024):
            check()
            level.append(sha256(leaf).digest())
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [sha256(pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]
