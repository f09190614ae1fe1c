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
import asyncio, concurrent.futures.process, importlib, os, pkgutil, shutil, signal, sys, types
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
os.process_cpu_count = os.cpu_count  # since 3.13; it would call sched_getaffinity, which is deleted below
statvfs = os.statvfs  # of the standard library, which has something else for Windows
shutil.disk_usage = lambda path: types.SimpleNamespace(free=statvfs(path).f_bavail * statvfs(path).f_frsize)
MODULES = {"fcntl", "grp", "pwd", "resource", "termios"}
CALLS = "chown fchmod fchown fork forkpty getgid getegid geteuid getuid getxattr lchown mkfifo"
CALLS += " pread preadv pwrite pwritev"
FLAGS = "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_PATH RWF_NOWAIT sched_getaffinity sendfile setsid"
FLAGS += " fstatvfs posix_fadvise statvfs uname"
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
assert count > 300

# Then archives go there and back.
from aioglacier.cli.program.main import run
from aioglacier.catalog import Catalog
from aioglacier.server import LocalGlacier

async def main(folder):
    content = bytes(range(256)) * 20_000
    with open(f"{folder}/file", "xb") as file:
        file.write(content)
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    async with (
        LocalGlacier(f"{folder}/depot", is_durable=True, job_delay=0) as here,
        Catalog.open(f"{folder}/catalog.db") as catalog,
        aioglacier.connect(**keys, endpoint_url=here.url, s3_endpoint_url=here.url, catalog=catalog) as there,
    ):
        vault = await there.create_vault("photos")
        await there.create_bucket("museum")
        museum = there.bucket("museum", "GLACIER_IR")
        archive = await vault.upload(f"{folder}/file", part_size=1 << 20)
        await museum.upload(f"{folder}/file", key="file")
        for number, job in enumerate([await vault.retrieve(archive.id), await museum.retrieve("file")]):
            await job.wait_until_done()
            await job.download(f"{folder}/{number}")
            with open(f"{folder}/{number}", "rb") as file:
                assert file.read() == content
asyncio.run(main(sys.argv[1]))
assert run(["tree-hash", f"{sys.argv[1]}/file"]) == 0
"""


@pytest.mark.slow
def test_the_library_and_the_server_work_without_posix(tmp_path: Path) -> None:
    """Modules load, and archives go there and back, without modules, calls and flags that Windows lacks."""
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_work_on_folders_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a scan nor a restore begins on a system that cannot open a path below an open folder."""
    monkeypatch.setattr(os, "supports_dir_fd", set())
    for begin in (lambda: next(iter(Scan(os.fsencode(tmp_path)))), lambda: Beneath(os.fsencode(tmp_path))):
        with pytest.raises(ConfigurationError, match="on Linux and macOS only"):
            begin()
