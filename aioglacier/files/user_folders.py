"""The folder for data that this program keeps for its user, made for that user alone."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def data_folder() -> Path:
    """``$XDG_DATA_HOME/aioglacier``, by default in ``~/.local/share``.

    Raises:
        RuntimeError: There is no home directory.
    """
    # A relative path in the variable is to be ignored (XDG Base Directory Specification, "Basics").
    folder = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(folder):  # noqa: PTH117  # of text, which may be empty
        return Path(folder, "aioglacier")
    return Path.home() / ".local" / "share" / "aioglacier"


def prepare_folder(folder: Path) -> None:
    """Make a folder for its owner alone, and those above it that are not there.

    Raises:
        OSError: It cannot be made.
    """
    if folder.is_dir():
        return
    prepare_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
        folder.chmod(0o700)  # whatever the umask
