"""``--shard`` in processes that share a catalog, by the recipes of the manual."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aioglacier.server import LocalGlacier
from aioglacier.testing.served import serving
from tests.catalog.conftest import emptied_database, server  # noqa: F401  # fixtures
from tests.cli.conftest import Cli, keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aioglacier.testing.served import ServedGlacier

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"


@pytest.fixture
def glacier(tmp_path: Path) -> Iterator[ServedGlacier]:
    """A local Glacier whose jobs are done at once, as its owner sees it from another process."""
    local = LocalGlacier(tmp_path / "glacier", job_delay=0, inventory_lag=0, is_durable=False)
    with serving(local) as served:
        yield served


@pytest.fixture
def site(tmp_path: Path, glacier: ServedGlacier, emptied_database: str) -> Cli:  # noqa: F811
    """The program with a catalog that processes share."""
    environment = {
        "AIOGLACIER_ENDPOINT_URL": glacier.url,
        "AIOGLACIER_REGION": "us-east-1",
        "AIOGLACIER_CATALOG": emptied_database,
        **keys(),
    }
    return Cli(tmp_path, (), environment)


def recipes() -> list[str]:
    """Return the scripts of the manual that set a shard."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [block for block in blocks if "AIOGLACIER_SHARD" in block]


@pytest.mark.slow
def test_the_recipes_run_as_they_stand(site: Cli, tmp_path: Path) -> None:
    """Two shards of each recipe run at the same time; together they do everything once."""
    for folder, ending in (("films", "mkv"), ("photos", "jpg"), ("scans", "tif")):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(6):
            (tmp_path / "data" / folder / f"{number}.{ending}").write_bytes(b"%d" % number * 1000)
        site("vault", "create", folder)
    films = sorted(map(str, (tmp_path / "data" / "films").iterdir()))
    site("upload", "films", *films)
    site("bucket", "create", "museum")
    processes = []
    for recipe in recipes():
        script = recipe.replace("/data/", f"{shlex.quote(str(tmp_path))}/data/")
        for index in (0, 1):
            system = {
                "SLURM_ARRAY_TASK_ID": str(index + 1),
                "SLURM_ARRAY_TASK_COUNT": "2",
                "JOB_COMPLETION_INDEX": str(index),
                "SHARDS": "2",
                "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
                "AWS_BATCH_JOB_ARRAY_SIZE": "2",
            }
            environment = site.env(system)
            environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
            processes.append(
                subprocess.Popen(
                    ["sh", "-c", script],
                    cwd=tmp_path,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            )
    assert len(processes) == 6
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
    moved = site("--json", "migrate", "status", "films").record
    assert moved["states"] == {"proven": {"archives": 6, "size": 6000}}
    assert site("--json", "migrate", "report", "films", "s3://museum/films").records[-1]["proven"] == 6
    assert len(site("--json", "list", "scans").records) == 6
    site("verify", str(tmp_path / "data" / "photos"), "photos")
    site("sync", "--dry-run", str(tmp_path / "data" / "photos"), "photos")


@pytest.mark.slow
def test_four_processes_upload_the_same_files(site: Cli, tmp_path: Path) -> None:
    """Each file becomes one archive, whichever process is first."""
    site("vault", "create", "films")
    files = []
    for number in range(12):
        files.append(f"{number}.mkv")
        (tmp_path / files[-1]).write_bytes(b"%d" % number * 500)
    with ExitStack() as stack:
        runs = [
            stack.enter_context(site.started("upload", "films", *files[start:], *files[:start]))
            for start in (0, 3, 6, 9)
        ]
        for run in runs:
            run.communicate(timeout=120)
    site("upload", "films", *files)  # what was in use by another process is stored by now
    assert sorted(record["size"] for record in site("--json", "list", "films").records) == sorted(
        (tmp_path / name).stat().st_size for name in files
    )


@pytest.mark.slow
def test_a_shard_is_refused_where_it_cannot_work(site: Cli, tmp_path: Path) -> None:
    """Standard input, a folder's restore, a catalog in a file, and what is no shard: nothing is done."""
    for name in ("a", "b"):  # which of them the shard has depends on the folder's name
        (tmp_path / name).write_bytes(b"a")
    site("vault", "create", "films")
    local = ("--catalog", str(tmp_path / "catalog.db"))
    for arguments, words in (
        (("upload", "--shard=1/2", "films", "-"), "standard input"),
        (("upload", "--shard=3/2", "films", "a"), "no shard 3/2"),
        (("upload", "--shard=2", "films", "a"), "second of four is 2/4"),
        ((*local, "upload", "--shard=1/2", "films", "a", "b"), "is a file"),
        (("restore", "--shard=1/2", "films", "back"), "restored whole"),
        (("restore", "--archives", "--shard=1/2", "--older-than=9", "films", "back"), "--created-before"),
    ):
        assert words in site(*arguments, code=2).err
    assert "0 archives, 0 bytes; no inventory was read" in site("list", "films").err
