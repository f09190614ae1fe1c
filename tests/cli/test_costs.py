"""Every command that can cost: a plan asks for nothing that costs, and a limit refuses first.

The service refuses here whatever costs something and counts it. The commands are those of the program that
have ``--max-cost``: a new one that is not in the table fails, and so does one without the option that costs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from aioglacier.cli.program.main import root
from tests.cli.conftest import MIB, Cli, keys, serving, struck
from tests.cli.test_dry_runs import CHANGES, LOOKS, RUN_HERE, SPENDS, commands, options
from tests.forking import forks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

#: What costs more than a look: requests for lists and facts only count where they come with these.
COSTLY = (
    "UploadArchive",
    "InitiateMultipartUpload",
    "UploadMultipartPart",
    "CompleteMultipartUpload",
    "InitiateJob",
    "GetJobOutput",
    "DeleteArchive",
    "PurchaseProvisionedCapacity",
    "PutObject",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "RestoreObject",
    "GetObject",
    "DeleteObject",
    "DeleteObjects",
)

#: The command lines, by what they are about; words in capitals are ids that the fixture has.
CASES = {
    "upload": "photos new",
    "upload several": "photos new tree/file",
    "upload in parts": "photos large --part-size=1MiB",
    "upload standard input": "photos - --expected-size=2MiB",
    "upload a stream": "photos - --roll-over",
    "upload to a bucket": "s3://museum/x new --storage-class=GLACIER",
    "upload a stream to a bucket": "s3://museum/x - --roll-over --storage-class=GLACIER",
    "download": "photos back --archive-id=ARCHIVE",
    "download what is retrieved": "photos back --archive-id=RETRIEVED",
    "download a job": "photos --job-id=JOB back",
    "download a range": "photos back --archive-id=RETRIEVED --byte-range=0-1048575",
    "download by name": "photos back --name=film",
    "download a stream": "photos back --archive-id=MANIFEST --manifest",
    "download an unknown stream": "photos back --archive-id=ARCHIVE --manifest",
    "download of a bucket": "s3://museum cold back",
    "download what is readable": "s3://museum warm back",
    "inventory": "photos",
    "inventory again": "photos --new",
    "inventory of a job": "photos --job-id=LISTED",
    "sync": "more photos",
    "sync to a bucket": "more s3://museum/t --storage-class=GLACIER",
    "restore": "photos there --folder=tree",
    "restore from a bucket": "s3://museum/t there --folder=tree",
    "verify a sample": "tree photos --sample=1",
    "verify": "tree photos",
    "verify a sample of a bucket": "tree s3://museum/t --sample=1",
    "delete": "photos --archive-id=ARCHIVE --yes",
    "delete of a bucket": "s3://museum cold --yes",
    "vault empty": "photos --yes --lose-files",
    "jobs output": "photos back --job-id=JOB",
    "uploads resume": "photos large --upload-id=UPLOAD",
    "uploads resume to a bucket": "s3://museum large --upload-id=BEGUN",
    "catalog recover": "photos --yes --catalog=recovered.db",
    "catalog recover of a bucket": "s3://museum/t --yes --catalog=recovered.db",
    "migrate run": "photos s3://museum/p --storage-class=GLACIER --yes",
    "migrate delete-proven": "photos s3://museum/p --yes",
    "account capacity purchase": "--yes",
}  # fmt: skip


#: Commands that only look and are not among ``RUN_HERE``, once for each kind of place.
LOOKED = """ls photos --folder=tree
ls s3://museum/t --folder=tree
find photos file --folder=tree
find s3://museum/t file --folder=tree
du photos --folder=tree
du s3://museum/t --folder=tree
snapshots photos
snapshots s3://museum/t
list s3://museum
vault show photos
jobs list photos
jobs list s3://museum
uploads list photos
uploads list s3://museum
config show
migrate report photos s3://museum/p"""


def command_of(case: str) -> str:
    """The command of a case: the longest name that its words begin with."""
    return max((name for name in SPENDS if f"{case} ".startswith(f"{name} ")), key=len)


def test_every_command_that_can_cost_is_tried() -> None:
    """The table has each command with --max-cost, and no other."""
    limited = {name for name, command in commands(root) if "--max-cost" in options(command)}
    assert {command_of(case) for case in CASES} == limited


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, dict[str, str]]]:
    """The program beside a served Glacier that has one of everything, and the ids of it."""
    folder = tmp_path_factory.mktemp("costs")
    for name, size in (("film", 3 * MIB), ("large", 17 * MIB), ("new", 5), ("warm", 6), ("cold", 7)):
        (folder / name).write_bytes(os.urandom(size))
    for name in ("tree", "more"):
        (folder / name).mkdir()
        (folder / name / "file").write_bytes(os.urandom(8))
    with serving(Cli(folder), "glacier", "--job-delay=0", "--inventory-lag=0") as url:
        program = Cli(
            folder,
            ("--endpoint-url", url, "--region=us-east-1", "--json"),
            {**keys(), "AWS_ENDPOINT_URL_S3": url},
        )
        program("vault", "create", "photos")
        program("bucket", "create", "museum")
        ids = {"ARCHIVE": program("upload", "photos", "film").record["archive_id"]}
        ids["RETRIEVED"] = program("upload", "photos", "film", "--again").record["archive_id"]
        program("sync", "tree", "photos")
        program("inventory", "photos", "--output=inventory.json")
        program("download", "photos", "fetched", f"--archive-id={ids['RETRIEVED']}")
        jobs = {job["action"]: job["job_id"] for job in program("jobs", "list", "photos").records}
        ids |= {"JOB": jobs["ArchiveRetrieval"], "LISTED": jobs["InventoryRetrieval"]}
        stream = program("upload", "photos", "-", "--roll-over", stdin=bytes(5)).record
        ids["MANIFEST"] = stream["archive_id"]
        for name, class_ in (("warm", "GLACIER_IR"), ("cold", "DEEP_ARCHIVE")):
            program("upload", "s3://museum/", name, f"--storage-class={class_}")
        program("sync", "tree", "s3://museum/t", "--storage-class=GLACIER_IR")
        program("inventory", "photos", "--catalog=recovered.db")
        for place, more in (
            ("photos", "--part-size=1MiB"),
            ("s3://museum/large", "--storage-class=GLACIER --part-size=8MiB"),
        ):
            killed = {**program.env(), "AIOGLACIER_CRASH_AT": "upload id recorded"}
            words = program.command("upload", place, "large", *more.split())
            assert subprocess.run(words, cwd=folder, env=killed, check=False).returncode == -signal.SIGKILL
        ids["UPLOAD"] = program("uploads", "list", "photos").record["upload_id"]
        ids["BEGUN"] = program("uploads", "list", "s3://museum").record["upload_id"]
        yield program, ids


class Tried(NamedTuple):
    """A run while the service refuses whatever costs something, and how often it did."""

    code: int
    records: list[dict[str, Any]]
    error: str | None
    asked: int
    text: str


def ask_in_vain(program: Cli, *words: str) -> Tried:
    """Run a command so."""
    url = f"{program.arguments[1]}/_local/faults"
    refusals = [
        {"operation": each, "status": 403, "code": "AccessDeniedException", "count": None} for each in COSTLY
    ]
    for method, body in (("DELETE", None), ("POST", json.dumps(refusals).encode())):
        with urllib.request.urlopen(urllib.request.Request(url, body, method=method)):  # noqa: S310  # our own
            pass
    stdin = bytes(2 * MIB) if "-" in words else b""
    code, out, err = forks().run(
        [*program.arguments, *words], cwd=program.folder, env=program.env(), stdin=stdin
    )
    errors = [json.loads(line) for line in err.splitlines() if line.startswith(b'{"error"')]
    records = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    return Tried(code, records, errors[-1]["error"] if errors else None, struck(program), err.decode())


@pytest.mark.parametrize("case", CASES)
def test_plan_and_limit_agree(house: tuple[Cli, dict[str, str]], case: str) -> None:
    """The plan asks for nothing that costs; a limit of 0 refuses first, if it costs; its cost is enough."""
    program, ids = house
    words = [*command_of(case).split(), *(fill(word, ids) for word in CASES[case].split())]
    plan = ask_in_vain(program, *words, "--dry-run")
    assert (plan.code, plan.asked) == (0, 0), plan
    priced = [record for record in plan.records if "cost" in record]
    assert priced
    assert {record["prices_of"] for record in priced} == {"us-east-1"}
    costs = [record["cost"] for record in priced]
    refused = ask_in_vain(program, *words, "--max-cost=0")
    assert refused.asked == 0
    if costs == [0]:
        assert (refused.code, refused.error) == (0, None)
        return
    assert refused.code in {2, 3}, refused
    assert refused.error == "CostLimitError"
    if None not in costs:
        allowed = ask_in_vain(program, *words, f"--max-cost={sum(costs):.9f}")
        assert allowed.asked > 0, allowed
        assert allowed.error != "CostLimitError"


def test_what_has_no_limit_asks_for_nothing_that_costs(house: tuple[Cli, dict[str, str]]) -> None:
    """No command without --max-cost, run as it is, sends a request of the kinds that cost."""
    program, ids = house
    others = [line for line in f"{LOOKED}\n{RUN_HERE}".split("\n") if not is_spending(line)]
    others += [f"{name} {arguments}" for name, arguments in CHANGES.items() if not is_spending(name)]
    assert {name for name in LOOKS if any(f"{line} ".startswith(f"{name} ") for line in others)} == LOOKS
    for line in others:
        tried = ask_in_vain(program, *(ids.get(word.strip("{}"), word) for word in line.split()))
        assert tried.asked == 0, line
        assert tried.code == 0 or line not in LOOKED.split("\n"), tried


def is_spending(line: str) -> bool:
    """Whether a command line is one of those that can cost."""
    return any(f"{line} ".startswith(f"{name} ") for name in SPENDS)


def fill(word: str, ids: dict[str, str]) -> str:
    """Return a word of a command line with the id that it names."""
    option, sign, name = word.rpartition("=")
    return option + sign + ids.get(name, name)
