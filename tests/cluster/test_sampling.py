"""The sample of a verify through runners of every kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aioglacier.bulk import FolderSync, FolderVerify, SyncOptions, Trouble, VerifyOptions
from aioglacier.bulk.pricing import load_prices
from aioglacier.bulk.sample_run import SampleRun
from aioglacier.core.errors import WorkerDiedError
from aioglacier.core.models import Tier
from aioglacier.core.spending import Budget
from aioglacier.server.requests.faults import Fault, FaultKind
from tests.cluster.conftest import HereRunner, ScriptedRunner, folder_vault
from tests.transfer.conftest import MIB

if TYPE_CHECKING:
    from pathlib import Path

    from aioglacier.client.vault import Vault
    from aioglacier.transfer.resources import Runner
    from tests.transfer.conftest import Served


async def archived(vault: Vault, folder: Path) -> Path:
    """Archive a folder of one archive for small files and another for a large one."""
    tree = folder / "tree"
    tree.mkdir()
    (tree / "small").write_bytes(os.urandom(MIB // 2))
    (tree / "large").write_bytes(os.urandom(5 * MIB + 7))
    await FolderSync(vault, tree, SyncOptions(largest_member=2 * MIB)).run()
    return tree


async def sampled(vault: Vault, tree: Path) -> FolderVerify:
    """Compare every MiB of the vault, and nothing else."""
    budget = Budget(load_prices("us-east-1"), None)
    options = VerifyOptions(reads_files=False, sample=50, tier=Tier.EXPEDITED)
    verify = FolderVerify(vault, tree, budget, options)
    await verify.run()
    return verify


async def test_a_sample_is_compared_by_the_workers(
    runner: Runner, house: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each MiB is asked for once and counted once, and its bytes are paid for as if they came here."""
    async with folder_vault(house, runner, tmp_path) as vault:
        tree = await archived(vault, tmp_path)
        counts = house.watch("InitiateJob")
        done = await sampled(vault, tree)
        found = done.snapshot()
        assert done.findings == []
        assert found.sampled == counts()["InitiateJob"] == 6
        assert found.workers == 2
        if isinstance(runner, HereRunner):
            runs = [task for task in runner.tasks if isinstance(task, SampleRun)]
            assert sum(len(run.outputs) for run in runs) == 6
            assert runs[0].title.startswith("sample-outputs-")
        else:  # a task in this process is counted by its own gateway as well
            there = (await sampled(vault, tree)).snapshot()
            monkeypatch.setattr(runner, "smallest", 1 << 40)
            here = (await sampled(vault, tree)).snapshot()
            assert (there.sampled, there.cost) == (here.sampled, here.cost)


async def test_bytes_that_are_other_ones_on_a_worker_are_fetched_again(house: Served, tmp_path: Path) -> None:
    """A damaged answer to a worker is no finding."""
    async with folder_vault(house, HereRunner(house), tmp_path) as vault:
        tree = await archived(vault, tmp_path)
        counts = house.watch("GetJobOutput")
        house.fail(Fault("GetJobOutput", kind=FaultKind.FLIP))
        done = await sampled(vault, tree)
        assert (done.findings, done.snapshot().sampled) == ([], 6)
        assert counts()["GetJobOutput"] == 7


async def test_an_output_that_no_worker_gets_is_asked_for_here(
    house: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process finds what is wrong, in its words."""

    async def fail(*_: object) -> None:
        return None

    monkeypatch.setattr("aioglacier.bulk.sample_run._hash_output", fail)
    async with folder_vault(house, HereRunner(house), tmp_path) as vault:
        tree = await archived(vault, tmp_path)
        house.fail(Fault("GetJobOutput", status=403, code="AccessDeniedException"))
        done = await sampled(vault, tree)
        (finding,) = done.findings
        assert finding.trouble is Trouble.UNAVAILABLE
        assert done.snapshot().sampled == 5


async def test_a_sample_goes_on_after_a_loss(house: Served, tmp_path: Path) -> None:
    """The jobs of a run whose workers were lost are used by the next one."""
    runner = ScriptedRunner(house)
    async with folder_vault(house, runner, tmp_path) as vault:
        tree = await archived(vault, tmp_path)
        runner.dies_after = 0
        runner._others_done.set()
        with pytest.raises(WorkerDiedError):
            await sampled(vault, tree)
        counts = house.watch("InitiateJob")
        runner.smallest = 1 << 40
        done = await sampled(vault, tree)
        assert (done.findings, done.snapshot().sampled, counts()) == ([], 6, {"InitiateJob": 0})
