"""A process that has loaded a program and forks for each run of it; see ``forking.py``.

It reports the pid and the exit code of each run; any number of runs may work at once.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

#: Modules that the program loads on demand; most runs need them.
_LATER = (
    "aiobotocore.session",
    "anyio._backends._asyncio",
    "pathspec",
    "rich.console",
    "rich.progress",
    "zstandard",
)


#: Modules that few runs or none need; with Dask's, loading would take twice as long, and a fork too.
_NEVER = ("aioglacier.__main__", "aioglacier.testing", "aioglacier.cluster.worker_tasks")


def load_aioglacier() -> Callable[[], int]:
    """``python -m aioglacier``, or ``python -c`` for a program that uses the package."""
    from aioglacier.__main__ import main  # noqa: PLC0415  # each of these processes loads one program
    from aioglacier.files import crashpoints  # noqa: PLC0415

    for module in pkgutil.walk_packages([str(Path(__file__).parents[1] / "aioglacier")], "aioglacier."):
        if not module.name.startswith(_NEVER):
            importlib.import_module(module.name)
    for name in _LATER:
        importlib.import_module(name)

    def run() -> int:
        importlib.reload(crashpoints)  # it reads the environment
        if sys.argv[1:2] != ["-c"]:
            return main()
        _, _, program, *arguments = sys.argv
        sys.argv = ["-c", *arguments]
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  # it is a test's own
        return 0

    return run


def load_aws() -> Callable[[], int]:
    """The AWS CLI, version 1, which is in Python."""
    driver = importlib.import_module("awscli.clidriver")
    importlib.import_module("awscli.handlers")  # loaded when it runs
    data = os.environ["AWS_DATA_PATH"]  # set when it is loaded

    def run() -> int:
        os.environ["AWS_DATA_PATH"] = data
        return int(driver.main())

    return run


def load_benchmarks() -> Callable[[], int]:
    """``python -m benchmarks`` of one that is named, in its quick form."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.argv = ["benchmarks", "--quick"]  # one module looks when it is loaded
    for name in (
        "aioglacier.client.glacier",
        "aioglacier.server",
        "benchmarks.local_glacier",
        "benchmarks.turns",
    ):
        importlib.import_module(name)

    def run() -> int:
        runpy.run_module(f"benchmarks.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
        return 0

    return run


def load_dask() -> Callable[[], int]:
    """``dask-scheduler``, ``dask-worker``, or ours, which without Dask loads in half the time."""
    ours = load_aioglacier()
    scheduler = importlib.import_module("distributed.cli.dask_scheduler").main
    worker = importlib.import_module("distributed.cli.dask_worker").main
    importlib.import_module("aioglacier.cluster.worker_tasks")

    def run() -> int:
        program = {"scheduler": scheduler, "worker": worker, "aioglacier": ours}[sys.argv.pop(1)]
        if program is ours:
            warnings.simplefilter("error")  # as in a fork of ours alone; Dask's own programs warn
        return int(program() or 0)

    return run


def load_pytest() -> Callable[[], int]:
    """``pytest`` and libraries that tests use, but no plug-in, because pytest rewrites those as it loads."""
    for name in ("_pytest.pytester", "aiobotocore.session", "aiohttp.web", "boto3", "botocore.client"):
        importlib.import_module(name)
    return lambda: int(importlib.import_module("pytest").main())


def load_glacier() -> Callable[[], int]:
    """``glacier``, the command of the package glacier_upload, which loads boto3."""
    command = importlib.import_module("glacier_upload.cli").glacier_cli
    return lambda: int(command() or 0)


PROGRAMS = {
    "aioglacier": load_aioglacier,
    "aws": load_aws,
    "benchmarks": load_benchmarks,
    "dask": load_dask,
    "glacier": load_glacier,
    "pytest": load_pytest,
}


def serve(name: str, listener: socket.socket, owner: int) -> None:
    """Run requested programs until the owner ends, and report their pids and exit codes.

    Args:
        name: The program.
        listener: Where the test processes connect.
        owner: A descriptor of the process that runs the tests, or of the one that shares them out.
    """
    program = PROGRAMS[name]()
    gc.collect()
    gc.freeze()  # otherwise each run's collector would touch all this, and so copy it
    reports: dict[int, int] = {}
    controls: list[socket.socket] = []
    ended, wakeup = socket.socketpair()
    with ended, wakeup:
        wakeup.setblocking(False)
        signal.set_wakeup_fd(wakeup.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the byte in the pair is the news
        while True:
            watched: list[socket.socket | int] = [listener, owner, ended, *controls]
            ready, _, _ = select.select(watched, [], [])
            if ended in ready:
                ended.recv(100)
                report_ends(reports)
            if owner in ready:
                signal.set_wakeup_fd(-1)
                return
            if listener in ready:
                controls.append(listener.accept()[0])
            for control in [each for each in controls if each in ready]:
                message, fds, _, _ = socket.recv_fds(control, 1 << 20, 4)
                if not message:
                    controls.remove(control)
                    control.close()
                    continue
                *streams, told = fds
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for each in (listener, ended, wakeup, *controls):
                        each.close()
                    for fd in (owner, told, *reports.values()):
                        os.close(fd)
                    become(name, program, json.loads(message), streams)
                os.write(told, b"%d\n" % pid)
                reports[pid] = told
                for fd in streams:
                    os.close(fd)


def report_ends(reports: dict[int, int]) -> None:
    """Report the exit code of each run that has ended."""
    with suppress(ChildProcessError):
        while (end := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            told = reports.pop(end[0])
            with suppress(BrokenPipeError):  # no test waits for it any more
                os.write(told, b"%d\n" % os.waitstatus_to_exitcode(end[1]))
            os.close(told)


def become(name: str, program: Callable[[], int], request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the program."""
    for target, fd in enumerate(streams):
        os.dup2(fd, target)
        os.close(fd)
    if request["is_leader"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.stdin, sys.stdout, sys.stderr = map(reopen, range(3), (sys.stdin, sys.stdout, sys.stderr))
    sys.argv = [name, *request["arguments"]]
    leave(program)


def leave(program: Callable[[], int]) -> NoReturn:
    """Run the program and end as the interpreter does, but do not free the modules: that takes 100 ms."""
    code = 1
    try:
        code = program()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)  # noqa: T201  # as the interpreter does
    except BaseException:  # noqa: BLE001  # told as the interpreter would
        traceback.print_exc()
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, and lets executors end
        atexit._run_exitfuncs()
        gc.collect()  # warns of what was dropped while it was open
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    finally:
        os._exit(code)


def reopen(fd: int, like: TextIO) -> TextIO:
    """Return a stream as the interpreter makes it: line-buffered for a terminal only."""
    buffering = 1 if fd == 2 else -1
    stream = os.fdopen(fd, like.mode, buffering, like.encoding, like.errors, closefd=False)
    return cast("TextIO", stream)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[2])) as socket_, suppress(ProcessLookupError):
        serve(sys.argv[1], socket_, os.pidfd_open(int(sys.argv[3])))
