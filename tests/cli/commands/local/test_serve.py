"""The local Glacier as a server."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.cli.conftest import ACCESS_KEY_ID, SECRET, Cli, keys, serving, wait_for


def test_a_server_says_where_it_is(bare: Cli) -> None:
    """One line, the URL; what was acknowledged is there after a restart."""
    with serving(bare, "glacier") as url:
        assert url.startswith("http://127.0.0.1:")
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "create", "kept")
    with serving(bare, "glacier", "--json") as line:
        url = json.loads(line)["url"]
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        assert cli("--json", "vault", "list").record["name"] == "kept"


def test_a_server_takes_its_secret_from_a_file(bare: Cli) -> None:
    """Then it stands in no argument, and requests signed with another one are refused."""
    (bare.folder / "secret").write_text(SECRET + "\n")
    options = ["--access-key-id", ACCESS_KEY_ID, "--secret-access-key-file", "secret"]
    with serving(bare, "glacier", *options) as url:
        cli = Cli(bare.folder, ("--endpoint-url", url, "--region", "us-east-1"), keys())
        cli("vault", "list")
        cli("vault", "list", environment={"AWS_SECRET_ACCESS_KEY": "x" * 40}, code=6)


@pytest.mark.parametrize(
    "options",
    [
        ["--access-key-id", "A"],
        ["--job-delay", "soon"],
        ["--job-delay", "Turbo=1"],
        ["--job-delay=-1"],
        ["--account-id", "1", "--port", "0"],
        ["--port", "70000"],
        ["--faults", "missing"],
    ],
)
def test_a_server_refuses_what_makes_no_sense(bare: Cli, options: list[str]) -> None:
    """Exit 2 before anything is opened."""
    bare("serve", "glacier", *options, code=2)
    assert not (bare.folder / "glacier").exists()


def test_a_folder_is_served_once(bare: Cli) -> None:
    """A second server, and a program that would use the folder itself, say so, and what to do."""
    with serving(bare, "glacier"):
        assert "glacier" in bare("serve", "glacier", code=1).err
        told = bare("--local", "glacier", "vault", "list", code=5).err
        assert "aioglacier serve glacier" in told
        assert "--endpoint-url" in told


def test_two_commands_on_one_folder_take_turns(bare: Cli) -> None:
    """The second one waits until the first one has ended."""
    bare("--local", "glacier", "vault", "create", "v")
    before = set((bare.folder / "glacier").rglob("*"))
    with bare.started("--local", "glacier", "upload", "v", "-", stdin=subprocess.PIPE) as first:
        assert first.stdin is not None
        wait_for(lambda: set((bare.folder / "glacier").rglob("*")) != before)  # it is open
        with bare.started("--local", "glacier", "--json", "vault", "list") as second:
            out, err = first.communicate(b"archived")
            bare.judge(first.returncode, out, err, 0)
            out, err = second.communicate(timeout=20)
            assert bare.judge(second.returncode, out, err, 0).record["name"] == "v"
