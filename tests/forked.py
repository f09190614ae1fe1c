"""A command that runs as a fork of a loaded program, see ``forking.py``: ``forked.py FD PROGRAM ARGUMENTS``.

It takes the place of the program in a shell script, so it loads little and imports nothing of this project.
"""

import json
import os
import signal
import socket
import sys


def main() -> int:
    """Run the program with these streams, this folder and this environment; return its exit code."""
    heard, told = os.pipe()
    request = {
        "arguments": sys.argv[3:],
        "folder": os.getcwd(),  # noqa: PTH109  # pathlib takes 10 ms to load
        "environment": dict(os.environ),
        "is_leader": False,
    }
    with socket.socket(fileno=int(sys.argv[1])) as control:
        socket.send_fds(control, [json.dumps(request).encode()], [0, 1, 2, told])
    os.close(told)
    with os.fdopen(heard) as reports:
        pid = int(reports.readline())
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda which, _: os.kill(pid, which))
        code = int(reports.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
