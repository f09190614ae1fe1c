"""Programs that a benchmark measures or needs beside it, each in a process of its own.

A quick form measures nothing that counts, and loading Python modules takes most of it. So there a module runs
in a fork of the benchmark, which has loaded most of what the module needs, as long as the benchmark has one
thread: a fork inherits the locks that other threads hold, SQLite's for one, and not who would release them.
"""

from __future__ import annotations

import gc
import os
import resource
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def start(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, **settings: Any
) -> subprocess.Popen[str]:
    """Start a program, as ``subprocess.Popen`` does."""
    is_alone = threading.active_count() == 1
    if "--quick" in sys.argv and is_alone and list(command[:2]) == [sys.executable, "-m"]:
        settings["preexec_fn"] = partial(_run, command[2:], os.environ.copy() if env is None else dict(env))
        settings["restore_signals"] = False  # Python ignores SIGPIPE, and here it has begun already
    return subprocess.Popen(command, env=env, text=True, **settings)


def _run(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run a module in the child of ``Popen``, instead of the execution of a program."""
    gc.freeze()  # what the benchmark has open is closed next, and must not be closed again
    os.closerange(
        3, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    )  # ``Popen`` returns when its pipe is closed
    signal.set_wakeup_fd(-1)
    code = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(fd, mode, closefd=False) for fd, mode in enumerate(("r", "w", "w"))
        )
        sys.argv = list(words)
        sys.modules.pop(words[0], None)  # or runpy warns of a second copy
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  # told as the interpreter would
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
