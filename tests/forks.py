"""A process that has loaded a program and forks for each run of it; see ``forking.py``.

Between it and each run stands a fork that keeps watch: it tells of the run's pid and of its exit code, so any
number of runs may go on at once.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the program loads when it needs it: in the end most runs do.
_LATER = (
    "aiobotocore.session",
    "anyio._backends._asyncio",
    "pathspec",
    "rich.console",
    "rich.progress",
    "zstandard",
)


def load_aioglacier() -> Callable[[], int]:
    """``python -m aioglacier``, or ``python -c`` for a program that uses the package."""
    from aioglacier.__main__ import main  # noqa: PLC0415  # each of these processes loads one program
    from aioglacier.files import crashpoints  # noqa: PLC0415

    for module in pkgutil.walk_packages([str(Path(__file__).parents[1] / "aioglacier")], "aioglacier."):
        if not module.name.startswith(("aioglacier.testing", "aioglacier.__main__")):
            importlib.import_module(module.name)
    for name in _LATER:
        importlib.import_module(name)

    def run() -> int:
        importlib.reload(crashpoints)  # it looks at the environment
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
    importlib.import_module("awscli.handlers")  # which it loads when it runs
    data = os.environ["AWS_DATA_PATH"]  # which it sets when it is loaded

    def run() -> int:
        os.environ["AWS_DATA_PATH"] = data
        return int(driver.main())

    return run


PROGRAMS = {"aioglacier": load_aioglacier, "aws": load_aws}


def serve(name: str, control: socket.socket) -> None:
    """Run what is asked for until nobody asks any more."""
    program = PROGRAMS[name]()
    gc.collect()
    gc.freeze()  # or each run would look through all this, and so copy it
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 20, 4)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass  # those that have kept watch
        if not message:
            return
        if os.fork() == 0:
            control.close()
            *streams, told = fds
            pid = os.fork()
            if pid == 0:
                os.close(told)
                become(name, program, json.loads(message), streams)
            watch(pid, streams, told)
        for fd in fds:
            os.close(fd)


def watch(pid: int, streams: list[int], told: int) -> NoReturn:
    """Tell of a run, and of its end."""
    try:
        for fd in streams:
            os.close(fd)
        os.write(told, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
    finally:
        os._exit(0)


def become(name: str, program: Callable[[], int], request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the program from here on, and to the end of the interpreter if that matters: it takes 50 ms."""
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
    if request["ends_properly"]:
        sys.exit(program())
    code = 1
    try:
        code = program()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001  # told as the interpreter would
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    finally:
        os._exit(code)


def reopen(fd: int, like: TextIO) -> TextIO:
    """A stream as the interpreter makes it: for a terminal, unlike a pipe or a file, line by line."""
    buffering = 1 if fd == 2 else -1
    stream = os.fdopen(fd, like.mode, buffering, like.encoding, like.errors, closefd=False)
    return cast("TextIO", stream)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[2])) as socket_:
        serve(sys.argv[1], socket_)
