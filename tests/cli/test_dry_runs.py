"""Commands that change something or cost money print their plan with --dry-run; all answer in JSON.

Each command is in one of the two tables. A new one that is in neither fails here.
"""

from __future__ import annotations

import json
import numbers
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
import pytest

import aioglacier.cli
from aioglacier.cli.program.main import root
from tests.cli.conftest import Cli, Done
from tests.cli.test_surroundings import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

MIB = 1024 * 1024

#: What only looks.
LOOKS = frozenset(
    {
        "list",
        "ls",
        "find",
        "du",
        "snapshots",
        "bucket list",
        "vault list",
        "vault show",
        "vault lock show",
        "vault notifications show",
        "vault policy show",
        "vault tags list",
        "jobs list",
        "jobs show",
        "jobs wait",
        "uploads list",
        "uploads show",
        "account capacity list",
        "account policy show",
        "catalog check",
        "catalog diff",
        "catalog duplicates",
        "catalog export",
        "catalog report",
        "catalog unknown",
        "completion",
        "config show",
        "migrate report",
        "migrate status",
        "tree-hash",
    }
)

#: What works in a folder of this machine for as long as it runs, and asks no service for anything.
RUNS_HERE = frozenset({"serve", "demo", "man-pages"})

#: What changes something or costs money, with arguments; words in capitals are ids that the test has.
CHANGES = {
    "upload": "photos film",
    "upload --roll-over": "photos -",
    "download": "photos ARCHIVE new-file",
    "download --manifest": "photos ARCHIVE new-file",
    "inventory": "photos",
    "sync": "tree photos",
    "restore": "photos back",
    "verify": "tree photos --sample=1",
    "delete": "photos ARCHIVE",
    "bucket create": "museum",
    "bucket delete": "museum",
    "vault create": "videos",
    "vault delete": "photos",
    "vault empty": "photos --lose-files",
    "vault tags add": "photos a=b",
    "vault tags remove": "photos year",
    "vault policy set": "photos policy.json",
    "vault policy delete": "photos",
    "vault lock initiate": "photos policy.json",
    "vault lock complete": "photos LOCK",
    "vault lock abort": "photos",
    "vault notifications set": "photos arn:aws:sns:us-east-1:012345678901:topic",
    "vault notifications delete": "photos",
    "jobs output": "photos JOB new-file",
    "uploads resume": "photos UPLOAD film",
    "uploads abort": "photos UPLOAD",
    "account policy set": "free-tier",
    "account capacity purchase": "",
    "catalog recover": "photos",
    "migrate run": "photos s3://museum/p --storage-class=GLACIER",
    "migrate delete-proven": "photos s3://museum/p",
    "catalog rebuild": "photos inventory.json --inventoried=2026-11-01",
}

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "none",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "glacier:DeleteArchive",
            "Resource": "arn:aws:glacier:us-east-1:012345678901:vaults/photos",
        }
    ],
}


#: Commands whose records are held against the schema, besides those of the other tests.
RUN_HERE = """list photos
vault list
vault lock show photos
vault policy show photos
vault tags list photos
vault notifications set photos arn:aws:sns:us-east-1:012345678901:topic
vault notifications show photos
vault notifications delete photos
jobs show photos --job-id={JOB}
jobs wait photos --job-id={JOB}
jobs output photos --job-id={JOB} output
uploads show photos --upload-id={UPLOAD}
account capacity list
account policy show
catalog check
catalog diff inventory.json inventory.json
catalog duplicates photos
catalog export photos
catalog report
catalog unknown photos
migrate status
tree-hash film
completion bash
man-pages man
vault create films
vault delete films
bucket create films
upload s3://films/ film --storage-class=GLACIER
list s3://films
delete s3://films --yes --archive-id=film
bucket delete films
bucket list"""


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command, with its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


#: What can cost something.
SPENDS = frozenset(
    {
        "upload",
        "download",
        "inventory",
        "sync",
        "restore",
        "verify",
        "delete",
        "vault empty",
        "jobs output",
        "uploads resume",
        "catalog recover",
        "migrate run",
        "migrate delete-proven",
        "account capacity purchase",
    }
)


def options(command: click.Command) -> set[str]:
    """The options of a command."""
    return {name for each in command.params for name in each.opts}


def test_what_changes_something_or_pays_can_be_tried_first() -> None:
    """Every command is in one of the tables, and those of the second have --dry-run."""
    found = dict(commands(root))
    changing = {name.partition(" --")[0] for name in CHANGES}
    assert found.keys() == changing | LOOKS | RUNS_HERE
    assert [name for name in sorted(changing) if "--dry-run" not in options(found[name])] == []
    assert changing.isdisjoint(LOOKS)


def test_what_costs_something_has_a_limit() -> None:
    """Every command that can cost takes --max-cost and a price list, and no other does."""
    limited = {name for name, command in commands(root) if "--max-cost" in options(command)}
    assert limited == SPENDS == {name for name, command in commands(root) if "--prices" in options(command)}


def test_every_command_answers_in_json() -> None:
    """The option is taken after the command's name, too."""
    assert [name for name, command in commands(root) if "--json" not in options(command)] == []


SCHEMA = json.loads((Path(aioglacier.cli.__file__).parent / "records.schema.json").read_text())
TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "number": numbers.Real,
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def faults_of(value: Any, schema: dict[str, Any]) -> list[str]:
    """Return what is wrong with a value by the words of JSON Schema that ours has."""
    if "$ref" in schema:
        return faults_of(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    kinds = schema.get("type", list(TYPES))
    classes = tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    faults = [] if isinstance(value, classes) else [f"{value!r} is none of {kinds}"]
    if "const" in schema and value != schema["const"]:
        faults.append(f"{value!r} is not {schema['const']!r}")
    faults += [f"{name} is missing" for name in schema.get("required", ()) if name not in value]
    for each in schema.get("allOf", ()):
        faults += faults_of(value, each)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            faults += [f"{name}: {fault}" for fault in faults_of(value[name], inner)]
    return faults


def variant_of(record: dict[str, Any]) -> str:
    """Return what the schema has behind a command's name, where its records differ by the arguments."""
    if "place" in record:
        return " s3"
    if {"of_folders", "left"} & record.keys() and "bucket" not in record and "files" not in record:
        return " archives"
    return " stream" if "pieces" in record else " file" if "format" in record else ""


class Checked(Cli):
    """The program, of which every record is held against the schema."""

    seen: ClassVar[set[str]] = set()
    command_name = ""

    def judge(self, actual: int, out: bytes, err: bytes, code: int) -> Done:
        """See ``Cli.judge``."""
        done = super().judge(actual, out, err, code)
        for record in done.records if "--json" in self.arguments else []:
            name = f"{self.command_name}{variant_of(record)} {record.get('event', '')}".strip()
            if name not in SCHEMA["properties"] and record.get("event") == "plan":
                name = "plan"
            assert name in SCHEMA["properties"], f"no schema of {name}: {record}"
            assert faults_of(record, SCHEMA["properties"][name]) == [], name
            self.seen.add(name)
        return done

    def __call__(self, *arguments: str, **settings: Any) -> Done:
        """See ``Cli``."""
        words = [word for word in arguments if not word.startswith("-")]
        found = (" ".join(words[:count]) for count in (3, 2, 1))
        known = {name for name, _ in commands(root)}
        self.command_name = next((name for name in found if name in known), "")
        if self.command_name == "upload" and "--dry-run" in arguments:
            self.command_name = "upload dry-run"
        return super().__call__(*arguments, **settings)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cli, dict[str, str]]:
    """The program on a local Glacier that has one of everything, and the ids of it."""
    folder = tmp_path_factory.mktemp("house")
    program = Checked(folder, ("--local", "glacier", "--json"))
    (folder / "film").write_bytes(os.urandom(3 * MIB))
    (folder / "policy.json").write_text(json.dumps(POLICY))
    (folder / "tree").mkdir()
    (folder / "tree" / "file").write_bytes(b"of the tree")
    program("vault", "create", "photos")
    program("account", "policy", "set", "none")
    ids = {"ARCHIVE": program("upload", "photos", "film").record["archive_id"]}
    program("sync", "tree", "photos")
    program("inventory", "photos", "--output=inventory.json")
    program("download", "photos", "--archive-id", ids["ARCHIVE"], "fetched")
    jobs = program("jobs", "list", "photos").records
    (ids["JOB"],) = (job["job_id"] for job in jobs if job["action"] == "ArchiveRetrieval")
    program("vault", "tags", "add", "photos", "year=2026")
    program("vault", "policy", "set", "photos", "policy.json")
    ids["LOCK"] = program("vault", "lock", "initiate", "photos", "policy.json").record["lock_id"]
    killed = {**program.env(), "AIOGLACIER_CRASH_AT": "part sent"}
    (folder / "half").write_bytes(os.urandom(3 * MIB))
    half = program.command("upload", "photos", "half", "--part-size=1MiB")
    assert subprocess.run(half, cwd=folder, env=killed, check=False).returncode == -signal.SIGKILL
    ids["UPLOAD"] = program("uploads", "list", "photos").record["upload_id"]
    return program, ids


def everything(program: Cli) -> dict[str, list[dict[str, object]]]:
    """All that the service and the catalog know, but for the local state of a look."""
    return {
        name: program(*name.split()).records
        for name in (
            "vault list",
            "list photos",
            "uploads list photos",
            "jobs list photos",
            "vault tags list photos",
            "vault policy show photos",
            "vault lock show photos",
            "account policy show",
            "account capacity list",
        )
    }


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(house: tuple[Cli, dict[str, str]]) -> None:
    """Of each command that changes something: exit code 0, a record, a sentence, and all is as before."""
    program, ids = house
    people = Cli(program.folder, ("--local", "glacier"))
    before, files = everything(program), files_of(program.folder)
    for name, words in zip(CHANGES, dry_runs(ids), strict=True):
        (plan,) = program(*words, stdin=b"").records
        assert "cost" in plan or name.partition(" --")[0] not in SPENDS, name
        if name in {"delete", "download", "inventory", "vault empty", "uploads resume"}:
            assert "nothing was done" in people(*words, stdin=b"").text, name
    assert everything(program) == before
    assert files_of(program.folder) == files


def test_records_are_as_the_schema_says(house: tuple[Cli, dict[str, str]]) -> None:
    """Every record of the runs so far and of the commands for folders keeps the schema."""
    program, _ = house
    for words in ("ls photos", "find photos *", "du photos", "snapshots photos", "config show"):
        assert program(*words.split()).records
    program("restore", "photos", "back")
    program("verify", "tree", "photos")
    program("inventory", "photos")
    program("vault", "show", "photos")
    there = tuple(f"{name} " for name, _ in commands(root))
    assert [name for name in SCHEMA["properties"] if not f"{name} ".startswith(there)] == ["plan", "error"]
    least = {"list", "ls", "find", "du", "snapshots", "sync summary", "restore summary", "verify summary"}
    assert least | {"upload", "download", "inventory", "jobs list", "vault show"} <= Checked.seen


def test_every_command_has_a_schema(house: tuple[Cli, dict[str, str]]) -> None:
    """The test runs what no other test here runs; a record without a schema fails."""
    program, ids = house
    for words in RUN_HERE.split("\n"):
        program(*words.format(**ids).split())
    known = [f"{name} " for name in SCHEMA["properties"]]
    assert [name for name, _ in commands(root) if not any(f.startswith(f"{name} ") for f in known)] == []


def dry_runs(ids: dict[str, str]) -> Iterator[list[str]]:
    """Yield the command line that tries each command that changes something."""
    for name, arguments in CHANGES.items():
        given = [ids.get(word, word) for word in arguments.split()]
        chosen = [word for word in given if word.startswith("--")]
        yield [*name.split(), "--dry-run", *chosen, "--", *(word for word in given if word not in chosen)]


@pytest.mark.long
def test_every_command_prints_plain_text_in_a_narrow_terminal(house: tuple[Cli, dict[str, str]]) -> None:
    """40 columns, TERM=dumb and the C locale: no command fails there, or prints an escape."""
    program, ids = house
    people = Cli(program.folder, ("--local", "glacier"))
    program("vault", "notifications", "set", "photos", "arn:aws:sns:us-east-1:012345678901:topic")
    looks = [line.format(**ids).split() for line in RUN_HERE.split("\n") if "s3://films" not in line]
    looking = [words for words in looks if any(" ".join(words[:count]) in LOOKS for count in (1, 2, 3))]
    for words in [*dry_runs(ids), *looking]:
        text = shown(people, words, 40, {"TERM": "dumb", "LC_ALL": "C"})
        assert "\x1b" not in text, words


def files_of(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_plan_says_whether_a_job_is_there_and_what_another_costs(house: tuple[Cli, dict[str, str]]) -> None:
    """Of a finished job only the transfer is to be paid; another archive costs more."""
    program, ids = house
    there = program("download", "photos", "--archive-id", ids["ARCHIVE"], "new-file", "--dry-run").record
    assert (there["operation"], there["job_id"]) == ("GetJobOutput", ids["JOB"])
    ranged = program(
        "download",
        "photos",
        "--archive-id",
        ids["ARCHIVE"],
        "new-file",
        f"--byte-range=0-{MIB - 1}",
        "--dry-run",
    ).record
    assert (ranged["operation"], ranged["job_id"]) == ("GetJobOutput", ids["JOB"])
    (program.folder / "another").write_bytes(os.urandom(MIB))
    other = program("upload", "photos", "another").record["archive_id"]
    asked = program("download", "photos", f"--archive-id={other}", "new-file", "--dry-run").record
    assert (asked["operation"], asked["job_id"], asked["size"]) == ("InitiateJob", None, MIB)
    assert asked["cost"] > ranged["cost"] > 0
    assert there["cost"] == pytest.approx(3 * ranged["cost"])
