"""Options from variables and from the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

FILE = """
region = "eu-west-1"
storage-class = "DEEP_ARCHIVE"
verbose = 1
exclude = ["*.tmp", "/cache/"]

[backup]
region = "eu-north-1"
memory-limit = "64MiB"

[hooks]
before = "true"
"""


def configure(cli: Cli, text: str) -> None:
    """Write the configuration file."""
    folder = cli.folder / ".config" / "aioglacier"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def shown(cli: Cli, *arguments: str, **environment: str) -> dict[str, tuple[object, str]]:
    """Return what ``config show`` prints that is not a default."""
    records = cli("--json", *arguments, "config", "show", environment=environment).records
    found = {record["option"]: (record["value"], record["from"]) for record in records}
    return {name: pair for name, pair in found.items() if pair[1] != "default" and name != "json"}


def test_the_command_line_counts_before_variables_and_those_before_the_file(bare: Cli) -> None:
    """Each value has its origin; a section counts before what is outside of tables."""
    configure(bare, FILE.replace('storage-class = "DEEP_ARCHIVE"\n', ""))
    file = f"file {bare.folder}/.config/aioglacier/config.toml"
    assert shown(bare, AIOGLACIER_TIER="Bulk") == {
        "region": ("eu-west-1", file),
        "verbose": (1, file),
        "exclude": (["*.tmp", "/cache/"], file),
        "tier": ("Bulk", "variable AIOGLACIER_TIER"),
    }
    section = shown(bare, "--config-section=backup")
    assert section["region"] == ("eu-north-1", f"{file} [backup]")
    assert section["memory-limit"] == (64 * 1024 * 1024, f"{file} [backup]")
    assert shown(bare, AIOGLACIER_REGION="us-east-2", AIOGLACIER_CONFIG_SECTION="backup")["region"] == (
        "us-east-2",
        "variable AIOGLACIER_REGION",
    )
    assert shown(bare, "--region", "us-west-1", AIOGLACIER_REGION="us-east-2")["region"] == (
        "us-west-1",
        "command line",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('part_size = "1MiB"', "'part-size'"),
        ('aws_secret_access_key = "x"', "secrets do not belong"),
        ('catalog = "postgresql://me:secret@host/db"', "password"),
        ("region = true", "one value"),
        ('exclude = "*.tmp"', "a list"),
        ("region = ", "not TOML"),
        ('[hooks]\nbefor = "x"', "'before'"),
        ('memory-limit = "lots"', "config.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(bare: Cli, text: str, message: str) -> None:
    """Exit 2, before anything is done."""
    configure(bare, text)
    words = ("sync", ".", "v", "--dry-run") if text.startswith("exclude") else ("config", "show")
    assert message in bare(*words, code=2).err


def test_a_section_that_is_not_there_is_refused(bare: Cli) -> None:
    """The message suggests the most similar name."""
    configure(bare, FILE.replace('storage-class = "DEEP_ARCHIVE"\n', ""))
    assert "'backup'" in bare("--config-section", "backups", "config", "show", code=2).err


def test_options_of_commands_come_from_the_file(bare: Cli) -> None:
    """A command takes its options, and the line that goes on does not repeat them."""
    configure(bare, 'local = "glacier"\n[small]\npart-size = "1MiB"\n')
    bare("vault", "create", "v")
    (bare.folder / "file").write_bytes(bytes(3 << 20))
    plan = bare("--json", "--config-section=small", "upload", "v", "file", "--dry-run").record
    assert plan["part_size"] == 1 << 20
    wrong = bare("upload", "v", "file", code=2, environment={"AIOGLACIER_PART_SIZE": "lots"}).err
    assert "variable AIOGLACIER_PART_SIZE" in wrong
