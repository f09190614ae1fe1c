"""Draw the pictures of the terminal: run commands against a local Glacier, and export what they show.

Run it from anywhere: ``python docs/pictures.py``. It needs the extra ``cli`` and half a minute.
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from aioglacier.server import LocalGlacier
from aioglacier.testing import serving

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 100

#: The variables that lead to the local Glacier.
SERVED: dict[str, str] = {}

#: Nothing is fetched from other hosts when a page is read.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

#: What moves the cursor rather than colours text.
MOVES = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlnsu]")


def show(folder: Path, command: str, *, seconds: float = 0) -> str:
    """Run a command in a terminal; return what it shows at its end, or after some seconds."""
    outer, inner = pty.openpty()
    environment = {
        **os.environ,
        **SERVED,
        "HOME": str(folder),
        "COLUMNS": str(WIDTH),
        "LINES": "24",
        "TERM": "xterm-256color",
        "AIOGLACIER_CATALOG": str(folder / "catalog.db"),
    }
    words = [str(Path(sys.executable).with_name("aioglacier")), *command.split()[1:]]
    with subprocess.Popen(
        words, cwd=folder, env=environment, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    ) as process:
        os.close(inner)
        if seconds:
            time.sleep(seconds)
            os.set_blocking(outer, False)
            shown = read(outer)
            process.send_signal(signal.SIGKILL)
        else:
            shown = read(outer)
    os.close(outer)
    return shown


def read(terminal: int) -> str:
    """Return all that was written to a terminal."""
    found = b""
    with suppress(OSError):  # its other end was closed, or nothing more is there
        while block := os.read(terminal, 1 << 16):
            found += block
    return found.decode()


def last_screen(shown: str) -> str:
    """Return the lines that stay, each as it was written last."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in shown.split("\n")]
    return "\n".join(MOVES.sub("", line) for line in lines).rstrip()


def draw(name: str, folder: Path, command: str, *, seconds: float = 0) -> None:
    """Write the picture of a command."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(
        Text.from_ansi(f"\x1b[1m$ {command}\x1b[0m\n{last_screen(show(folder, command, seconds=seconds))}")
    )
    PICTURES.mkdir(exist_ok=True)
    svg = console.export_svg(title="aioglacier", code_format=FORMAT, unique_id=name)
    (PICTURES / f"{name}.svg").write_text(svg)


def make_files(folder: Path) -> None:
    """Make an album and some large files."""
    for name, size in {
        "2024/beach.jpg": 3_100_000,
        "2024/boat.jpg": 2_800_000,
        "2025/snow.jpg": 4_400_000,
    }.items():
        (folder / "album" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "album" / name).write_bytes(os.urandom(size))
    for name, size in {"film.mkv": 9_000_000, "letters.tar": 4_000_000, "scans.tar": 8_000_000}.items():
        (folder / name).write_bytes(os.urandom(size))


def main() -> None:
    """Draw all of them."""
    folder = Path(tempfile.mkdtemp(prefix="aioglacier-pictures-"))
    try:
        make_files(folder)
        with serving(LocalGlacier(folder / "depot", is_durable=False)) as served:
            SERVED.update(served.environment, AWS_ENDPOINT_URL=served.url, AWS_REGION="us-east-1")
            show(folder, "aioglacier vault create photos")
            show(folder, "aioglacier upload photos film.mkv letters.tar scans.tar")
            show(folder, "aioglacier sync album photos")
            draw("list", folder, "aioglacier list photos")
            draw("ls", folder, "aioglacier ls photos 2024")
            (folder / "album" / "trip.mkv").write_bytes(os.urandom(60_000_000))
            draw("sync", folder, "aioglacier sync album photos --bandwidth 8MB/s", seconds=6)
            restore = "aioglacier restore photos back --archives --tier Bulk --per-day 8MiB"
            draw("restore", folder, restore, seconds=6)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
