"""A signal during an upload: what is on its way arrives, and a second signal does not wait for it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.cli.conftest import MIB, faulty, hang, sent, struck, wait_for
from tests.cli.test_signals import PARTS, WORKED_PARTS, WORKED_SIZE, go_on

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("number", CODES)
def test_what_is_on_its_way_need_not_go_again(tmp_path: Path, number: signal.Signals) -> None:
    """PR-04, PR-06: two slow parts are on their way, and both count when it has ended."""
    slow = {"operation": "UploadMultipartPart", "kind": "delay", "count": 6, "seconds": 1.5}
    with faulty(tmp_path, slow) as cli:
        command = ["--concurrency", "2", "upload", "v", "big", "--part-size", "1MiB"]
        with cli.started(*command) as process:
            wait_for(lambda: struck(cli) >= 4)  # two have arrived, and two more have begun
            before = sent(cli)
            stopped = cli.stop(process, number, code=CODES[number])
        after = sent(cli)
        assert before < after <= before + 2
        assert f"{after * MIB:,} bytes of it kept by the service" in stopped.err
        assert stopped.err.count("to go on:") == 1
        (archive,) = go_on(cli, stopped.err)
        assert archive["size"] == PARTS * MIB - 5
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1


def test_a_second_signal_does_not_wait_for_what_is_on_its_way(tmp_path: Path) -> None:
    """PR-05: it ends within a second, no worker stays, and the same command goes on."""
    with faulty(tmp_path, hang("UploadMultipartPart", f"bytes {32 * MIB}-"), size=WORKED_SIZE) as cli:
        command = ["upload", "v", "big", *WORKED_PARTS]
        with cli.started(*command) as process:
            wait_for(lambda: sent(cli) == 1 and struck(cli) == 1)  # or the next run would meet the fault
            workers = psutil.Process(process.pid).children(recursive=True)
            assert workers
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)  # so that it drains, for which there is no sign outside
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)  # the service would take longer
            cli.judge(process.returncode, b"", err, 130)
        wait_for(lambda: not any(worker.is_running() for worker in workers), seconds=2)
        assert "going on" in cli(*command).err
        assert sent(cli) == 0
        assert len(cli("--json", "inventory", "v").records) == 1
