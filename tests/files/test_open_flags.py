"""Modules load on systems that lack what POSIX has; the library refuses work on folders there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk.sync.scan import Scan
from aioglacier.core.errors import ConfigurationError
from aioglacier.files.beneath import Beneath

if TYPE_CHECKING:
    from pathlib import Path

#: Other packages are loaded first, since they take care of themselves.
ELSEWHERE = """
import asyncio, concurrent.futures.process, importlib, os, pkgutil, signal, sys
import multiprocessing.resource_tracker
import aiobotocore.config, aiobotocore.session, aiohttp.web, asyncpg
import anyio._backends._asyncio, anyio.from_thread
import botocore.session, click.shell_completion, fsspec.asyn
import multiprocessing.shared_memory, multiprocessing.spawn
import pathspec, pyrage, pytest, rich.console, rich.progress, sqlite3, zstandard
try:
    import distributed
except ImportError:
    pass
MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
CALLS = "chown fchmod fchown fork forkpty getgid getuid getxattr lchown mkfifo pread pwrite"
FLAGS = "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_PATH sched_getaffinity sendfile setsid statvfs uname"
SIGNALS = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGTSTP SIGUSR1 pthread_sigmask"
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(name, name=name)
for name in MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
for module, names in ((os, f"{CALLS} {FLAGS}"), (signal, SIGNALS)):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "win32"
import aioglacier
count = 0
for found in pkgutil.walk_packages(aioglacier.__path__, "aioglacier."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
        count += 1
print(count)
"""


@pytest.mark.slow
def test_every_module_loads_without_posix() -> None:
    """No import needs a module, a call, a flag or a signal that Windows lacks."""
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 300


def test_work_on_folders_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a scan nor a restore begins on a system that cannot open a path below an open folder."""
    monkeypatch.setattr(os, "supports_dir_fd", set())
    for begin in (lambda: next(iter(Scan(os.fsencode(tmp_path)))), lambda: Beneath(os.fsencode(tmp_path))):
        with pytest.raises(ConfigurationError, match="on Linux and macOS only"):
            begin()
