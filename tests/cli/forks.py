"""A process that has loaded the program and forks for each run of it; see ``Forks`` in ``conftest.py``."""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
from typing import Any

from aioglacier.__main__ import main
from aioglacier.cli.program import COMMANDS

_LOADED = ("aioglacier.client", "aioglacier.local", "aioglacier.server", "aioglacier.gateway.retry")


def serve(control: socket.socket) -> None:
    """Run what is asked for, one after the other, until nobody asks any more."""
    for name in (*_LOADED, "aioglacier.gateway.aws"):
        importlib.import_module(name)
    for module, _ in COMMANDS.values():
        importlib.import_module(f"aioglacier.cli.commands.{module}")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 20, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            run(json.loads(message), fds)
        for fd in fds:
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        control.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def run(request: dict[str, Any], fds: list[int]) -> None:
    """Become the program."""
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
        os.close(fd)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["aioglacier", *request["arguments"]]
    code = 120
    try:
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as socket_:
        serve(socket_)
