"""The program as a whole: help, wrong usage, refusals."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aioglacier.cli.program.main import COMMANDS
from aioglacier.core.treehash import hash_core
from tests.cli.conftest import MIB, SECRET, Cli, keys

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]


def loaded_by(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> set[str]:
    """The modules that a command line loads."""
    program = (
        "import sys; from aioglacier.cli.program.main import run; code = run(sys.argv[1:]); "
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return set(done.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["upload", "--help"], ["tree-hash", "data"]]
)
def test_nothing_heavy_is_loaded_for_it(arguments: list[str], tmp_path: Path) -> None:
    """Help and hashes do not wait for an AWS client, an event loop, a server or a progress bar."""
    (tmp_path / "data").write_bytes(b"data")
    loaded = loaded_by(*arguments, folder=tmp_path)
    assert "click" in loaded
    heavy = {"aiobotocore", "botocore", "aiohttp", "rich", "asyncio", "anyio", "sqlite3", "aioglacier.server"}
    assert not loaded & heavy


def test_an_upload_does_not_load_botocore(cli: Cli, vault: str, tmp_path: Path) -> None:
    """Into a catalog that is made for it, into one that is there, in one request and in parts."""
    (tmp_path / "small").write_bytes(b"data")
    (tmp_path / "large").write_bytes(bytes(MIB + 1))
    for arguments in (["small"], ["small", "large", "--part-size=1MiB"]):
        environment = {**cli.env(), "AWS_ENDPOINT_URL_GLACIER": "https://glacier.example.com"}
        loaded = loaded_by(
            *cli.arguments, "upload", vault, *arguments, folder=tmp_path, environment=environment
        )
        assert {"sqlite3", "aiohttp"} <= loaded
        assert not loaded & {"botocore", "aiobotocore"}


def test_a_folder_in_a_vault_does_not_load_what_buckets_need(cli: Cli, vault: str, tmp_path: Path) -> None:
    """Each service is loaded when it is first used."""
    (tmp_path / "tree").mkdir()
    loaded = loaded_by(*cli.arguments, "sync", "tree", vault, folder=tmp_path, environment=cli.env())
    assert "aioglacier.client.vault" in loaded
    assert not [name for name in loaded if "bucket" in name and not name.startswith("aioglacier.server")]


def test_the_entry_point_is_declared() -> None:
    """``aioglacier`` on the path is this program."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"aioglacier": "aioglacier.__main__:main"}


def test_without_click_one_line_says_what_to_install(bare: Cli) -> None:
    """A user of the library alone reads the name of the extra, and no traceback."""
    program = (
        "import sys; sys.modules['click'] = None; from aioglacier.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=bare.env()
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'pip install "aioglacier[cli]"' in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(bare: Cli, name: str) -> None:
    """Each loads and says how it is used."""
    shown = bare(name, "--help").text
    assert "Usage: aioglacier " + name in shown


def test_help_is_as_narrow_as_the_terminal(bare: Cli) -> None:
    """At 40 columns no line of the help is longer, but for what cannot be broken."""
    for words in ([], ["sync"], ["vault"]):
        shown = bare(*words, "--help", environment={"COLUMNS": "40"}).text
        assert not [line for line in shown.splitlines() if len(line) > 40 and len(line.split()) > 1]


def test_no_arguments_show_the_help(bare: Cli) -> None:
    """Both for the program and for a group of commands."""
    shown = bare(code=2).err
    assert shown.startswith("Usage: aioglacier")
    assert len(shown.splitlines()) <= 24
    assert bare("--help").text.startswith(shown.removesuffix("\n"))
    assert all(f"\n  {name} " in shown for name in ("demo", "upload", "sync", "list", "restore"))
    assert bare("vault", code=2).err.startswith("Usage: aioglacier vault")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["--frobnicate"],
        ["upload"],
        ["vault", "show"],
        ["--concurrency", "0", "demo"],
        ["--memory-limit", "lots", "demo"],
        ["--local", "a", "--endpoint-url", "http://b", "vault", "list"],
        ["download", "v", "id", "target", "more"],
        ["jobs", "show", "v"],
        ["account", "policy", "set", "none", "1GiB"],
        ["vault", "tags", "add", "v", "novalue"],
        ["upload", "v", "-", "-"],
    ],
)
def test_wrong_usage_is_told_in_text_and_json(bare: Cli, arguments: list[str]) -> None:
    """Exit 2, and where the help is."""
    assert "--help" in bare(*arguments, code=2).err
    error = bare("--json", *arguments, code=2).error
    assert error["message"]
    assert error["resume"] is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["upload", "v/x", "f"], "VaultNameError"),
        (["vault", "create", ".."], "VaultNameError"),
        (["upload", "v", "f", "--description", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"], "DescriptionError"),
        (["upload", "v", "f", "--part-size", "16MB"], "InvalidPartSizeError"),
        (["upload", "v", "f", "--part-size", "3MiB"], "InvalidPartSizeError"),
        (["upload", "v", "f", "--part-size", "0"], "InvalidPartSizeError"),
        (["upload", "v", "f", "--part-size=-1"], "InvalidPartSizeError"),
        (["upload", "v", "f", "--part-size", "8GiB"], "InvalidPartSizeError"),
        (["upload", "v", "-", "--expected-size", "100GiB", "--part-size", "1MiB"], "TooManyPartsError"),
        (["upload", "v", "-", "--expected-size", "0"], "EmptyArchiveError"),
        (["download", "v", "not/an/id", "t"], "InvalidIdError"),
        (["download", "v", "id", "t", "--byte-range", "5-9"], "InvalidRangeError"),
        (["download", "v", "id", "t", "--byte-range", "banana"], "InvalidRangeError"),
        (["delete", "v", "good", "b/ad", "--yes"], "InvalidIdError"),
        (["demo", "--size", "0"], "EmptyArchiveError"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    bare: Cli, arguments: list[str], error: str
) -> None:
    """Exit 2 without credentials or a region, so without a request."""
    assert bare("--json", *arguments, code=2).error["error"] == error


def test_a_part_size_that_is_none_names_the_nearest(bare: Cli) -> None:
    """The message says what to type instead."""
    told = bare("upload", "v", "f", "--part-size", "16MB", code=2).err
    assert "8 MiB" in told
    assert "16 MiB" in told
    assert bare("--json", "upload", "v", "f", "--part-size", "3MiB", code=2).error["nearest"] == [
        2 * MIB,
        4 * MIB,
    ]


def test_an_id_like_an_option_is_explained(bare: Cli) -> None:
    """The message tells the ways that work."""
    told = bare("download", "v", "-" + "A" * 60, "target", code=2).err
    assert "--archive-id=ID" in told


def test_no_credentials(bare: Cli) -> None:
    """Exit 6, and where they were looked for."""
    done = bare("--region", "eu-west-1", "--json", "vault", "list", code=6)
    assert done.error["error"] == "NoCredentialsError"
    assert "AWS_ACCESS_KEY_ID" in done.error["message"]


def test_a_file_that_is_not_there_is_told_before_credentials_are_looked_for(bare: Cli) -> None:
    """A mistyped name is reported without an account."""
    error = bare("--region", "eu-west-1", "--json", "upload", "v", "missing", code=1).error
    assert (error["error"], error["path"]) == ("SourceUnreadableError", "missing")


def test_a_wrong_secret(cli: Cli) -> None:
    """Exit 6; neither the right secret nor the wrong one is shown, whatever is logged."""
    wrong = {**keys(), "AWS_SECRET_ACCESS_KEY": "wrong/" + SECRET[6:]}
    done = cli("-vvv", "--json", "vault", "list", environment=wrong, code=6)
    assert "wrong/" not in done.err
    assert done.error["error"] == "InvalidCredentialsError"


def test_debug_logs_hold_no_secret(cli: Cli, vault: str) -> None:
    """Everything is logged with -vvv, but no key, no token and no signature."""
    token = {"AWS_SESSION_TOKEN": "tokentokentokentokentoken"}
    done = cli("-vvv", "vault", "show", vault, environment=token, code=6)  # the server knows no tokens
    assert "DEBUG" in done.err
    assert "tokentoken" not in done.err
    assert not re.search("[0-9a-f]{64}", done.err)


def test_global_options_stand_before_or_behind_the_command(bare: Cli) -> None:
    """Both places mean the same, and the later one wins."""
    before = bare("--local", "g", "--json", "vault", "create", "a").record
    behind = bare("vault", "show", "a", "--json", "--local=g").record
    assert before["arn"] == behind["arn"]
    assert bare("--local", "h", "vault", "list", "--local", "g", "--json").record["name"] == "a"


def test_a_folder_that_can_hold_nothing(bare: Cli) -> None:
    """``--local`` on a file is refused with exit 2."""
    (bare.folder / "file").write_text("")
    assert "file" in bare("--local", "file", "vault", "list", code=2).err


def test_an_unknown_vault_is_named(cli: Cli) -> None:
    """Exit 7, with the operation, the status and the request's id."""
    error = cli("--json", "vault", "show", "nowhere", code=7).error
    assert error["error"] == "VaultNotFoundError"
    assert (error["vault"], error["status"], error["operation"]) == ("nowhere", 404, "DescribeVault")
    assert error["request_id"] in error["message"]


def test_plain_http_to_another_machine_is_asked_for(cli: Cli, server: str) -> None:
    """Refused with the name of the option that allows it."""
    cli = Cli(cli.folder, ("--endpoint-url", "http://glacier.invalid:1", "--region", "us-east-1"), keys())
    assert "--allow-insecure" in cli("vault", "list", code=2).err
    # The proxy is the Glacier itself, so that no name has to be looked up; it answers, and that is enough.
    told = cli("--allow-insecure", "vault", "list", environment={"http_proxy": server})
    assert "insecure" not in told.err


def test_the_verbose_version_names_the_hash_core(bare: Cli) -> None:
    """In either order -v adds what computes the hashes to the version."""
    plain = f"aioglacier {version('aioglacier')}"
    assert bare("--version").text == f"{plain}\n"
    for words in (["--version", "-v"], ["-v", "--version"]):
        assert bare(*words).text == f"{plain}, hashing with {hash_core()}\n"


def test_a_mistyped_command_is_answered_with_the_nearest(bare: Cli) -> None:
    """In the program and in a group of commands; a name like no other gets no guess."""
    assert "no command 'uplaod'; did you mean 'upload'?" in bare("uplaod", "photos", code=2).err
    assert "did you mean 'create'?" in bare("vault", "crate", "photos", code=2).err
    assert "did you mean" not in bare("qqq", code=2).err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("jobs photos", "did you mean 'jobs list photos'?"),
        ("uploads s3://museum/x --long", "did you mean 'uploads list s3://museum/x --long'?"),
        ("vault photos", "did you mean 'vault show photos'?"),
        ("vault tags photos", "did you mean 'vault tags list photos'?"),
        ("catalog photos", "did you mean 'catalog report photos'?"),
        ("jobs photos wait ID", "did you mean 'jobs wait photos ID'?"),
        ("photos list", "did you mean 'list photos'?"),
        ("bucket photos", "did you mean 'list s3://photos'?"),
        ("bucket s3://photos/raw", "did you mean 'list s3://photos/raw'?"),
        ("bucket a+b", "no command 'a+b'; there are create, delete, list"),
        ("catalog compare photos", "no command 'compare'; there are check"),
        ("jobs a+b", "no command 'a+b'; there are list, output, show, wait"),
    ],
)
def test_a_place_without_a_command_is_answered_with_the_whole_line(bare: Cli, words: str, meant: str) -> None:
    """The name of a vault or bucket where a command is due is answered with the command that shows it."""
    assert meant in bare(*words.split(), code=2).err


def test_a_missing_word_is_named_on_one_line(bare: Cli) -> None:
    """The words to choose from stand in the message, without tabs and line breaks."""
    assert "Choose one of bash, fish, zsh" in bare("completion", code=2).err
