"""Wrong words are refused before anything else is looked for: credentials, a region, a service, a catalog.

The table has each command. A new one that is not in it fails here.
"""

from __future__ import annotations

import re

import click
import pytest

from aioglacier.cli.program.main import root
from aioglacier.core.errors import GlacierError
from tests.cli.conftest import Cli, Done
from tests.cli.test_dry_runs import commands

pytestmark = pytest.mark.slow

#: Wrong arguments of each command, one case a line, and after "=>" what the message must name. "file" and
#: "folder" are there, "absent" is not; "words" is a file with no ids, no JSON and no prices in it.
WRONG = {
    "upload": """photos absent => 'absent'
        photos absent absent-2 => 'absent-2'
        photos folder => 'folder' is a folder
        photos file --prices=absent => 'absent'
        photos file --prices=words => 'words' is no price list
        photos file --files-from=absent => 'absent'
        photos file --part-size=3MiB => 3145728
        photos file --recipient=words => 'words'
        photos file --description=\u00e4 => printable ASCII
        s3://museum absent --storage-class=GLACIER => 'absent'
        s3://museum file --storage-class=GLACIER --metadata=words => 'words'
        s3://museum file => --storage-class
        s3://B file => 'B'""",
    "download": """photos id absent/target => 'absent/target'
        photos --name=name absent/target => 'absent/target'
        photos !! target => '!!'
        photos id target --identity=absent => 'absent'
        photos id target --byte-range=1-2 => 1-2
        photos id target --prices=absent => 'absent'
        s3://museum key absent/target => 'absent/target'""",
    "list": """a/b => 'a/b'
        photos --after=words => 'words'
        s3://B => 'B'""",
    "ls": "photos --at=words => 'words'",
    "find": "photos * --at=words => 'words'",
    "du": "a/b => 'a/b'",
    "snapshots": "s3://B => 'B'",
    "inventory": """photos --output=absent/target => 'absent/target'
        photos --output=file => 'file' exists
        s3://museum => s3://museum is a bucket""",
    "sync": """absent photos => 'absent'
        file photos => 'file'
        folder a/b => 'a/b'
        folder s3://museum => --storage-class
        folder photos --storage-class=GLACIER => --storage-class
        folder photos --exclude-from=absent => 'absent'
        folder photos --files-from=absent => 'absent'
        folder photos --prices=words => 'words'
        folder photos --recipients-file=absent => 'absent'
        folder photos --bundle-size=1 => 1MiB
        folder photos --bandwidth=10 => '10' is less
        folder photos --memory-limit=10 => '10' is less
        folder photos --cluster=words => 'words'""",
    "restore": """photos file => 'file' is a file
        photos folder --archive-ids=absent => absent
        photos folder --archive-ids=words => 'no ids'
        photos folder --identity=absent => 'absent'
        photos folder --tier-rule=words => 'words'
        photos folder --prices=absent => 'absent'""",
    "verify": """absent photos => 'absent'
        file photos => 'file'
        folder photos --prices=absent => 'absent'
        folder photos --sample=1 --identity=absent => 'absent'""",
    "delete": """photos !! => '!!'
        photos --archive-ids=absent => 'absent'
        s3://museum --archive-ids=absent => 'absent'""",
    "migrate run": """photos museum --storage-class=GLACIER => 'museum'
        photos s3://B --storage-class=GLACIER => 'B'
        photos s3://museum --storage-class=GLACIER --class-rule=words => 'words'
        photos s3://museum --storage-class=GLACIER --scratch=absent => 'absent'
        photos s3://museum --storage-class=GLACIER --archive-ids=absent => absent
        photos s3://museum --storage-class=GLACIER --to-endpoint-url=words => 'words'
        photos s3://museum --storage-class=GLACIER --prices=absent => 'absent'""",
    "migrate status": "a/b => 'a/b'",
    "migrate report": "photos museum => 'museum'",
    "migrate delete-proven": """photos museum => 'museum'
        photos s3://museum --prices=absent => 'absent'""",
    "vault create": "a/b => 'a/b'",
    "vault show": "s3://museum => s3://museum is a bucket",
    "vault delete": "a/b => 'a/b'",
    "vault empty": "a/b => 'a/b'",
    "vault tags list": "a/b => 'a/b'",
    "vault tags add": "photos words => 'words'",
    "vault tags remove": "a/b key => 'a/b'",
    "vault policy show": "a/b => 'a/b'",
    "vault policy set": """photos absent => absent
        photos words => 'words' is not a policy""",
    "vault policy delete": "a/b => 'a/b'",
    "vault lock show": "a/b => 'a/b'",
    "vault lock initiate": """photos absent => absent
        photos words => 'words' is not a policy""",
    "vault lock complete": "photos !! => '!!'",
    "vault lock abort": "a/b => 'a/b'",
    "vault notifications show": "a/b => 'a/b'",
    "vault notifications set": "photos words => 'words' is not the ARN",
    "vault notifications delete": "a/b => 'a/b'",
    "bucket create": "B => 'B'",
    "bucket delete": "B => 'B'",
    "jobs list": """s3://B => 'B'
        photos --status=words => 'words'""",
    "jobs show": "photos !! => '!!'",
    "jobs wait": "photos !! => '!!'",
    "jobs output": """photos id absent/target => 'absent/target'""",
    "uploads list": "a/b => 'a/b'",
    "uploads show": "photos !! => '!!'",
    "uploads resume": """photos id absent => 'absent'
        photos !! file => '!!'""",
    "uploads abort": "photos !! => '!!'",
    "account policy set": """words => 'words'
        bytes-per-hour => SIZE""",
    "account capacity purchase": "--prices=absent => 'absent'",
    "catalog duplicates": "a/b => 'a/b'",
    "catalog export": """a/b => 'a/b'
        photos --format=words => 'words'""",
    "catalog report": "a/b => 'a/b'",
    "catalog unknown": "s3://museum => s3://museum is a bucket",
    "catalog diff": "absent file => 'absent'",
    "catalog rebuild": """photos absent => 'absent'
        photos words --inventoried=words => 'words'""",
    "catalog recover": """photos --identity=absent => 'absent'
        s3://B => 'B'""",
    "completion": "words => 'words'",
    "serve": "file => 'file'",
    "tree-hash": "absent => absent",
    "man-pages": "file => file",
}

#: Commands with no words of their own.
WITHOUT = frozenset(
    {
        "account capacity list",
        "account policy show",
        "bucket list",
        "catalog check",
        "config show",
        "demo",
        "vault list",
    }
)

CASES = [
    (name, *map(str.strip, line.split("=>"))) for name, lines in WRONG.items() for line in lines.splitlines()
]


class Refused(Cli):
    """The program, which must end with an exit code for wrong words or for files that are not there."""

    def judge(self, actual: int, out: bytes, err: bytes, code: int) -> Done:
        """See ``Cli.judge``."""
        del code
        assert actual in {1, 2, 3}, err
        return super().judge(actual, out, err, actual)


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program without credentials and region, and with a catalog that cannot be opened."""
    folder = tmp_path_factory.mktemp("nothing")
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"content")
    (folder / "words").write_text("no ids\n")
    return Refused(folder, environment={"AIOGLACIER_CATALOG": str(folder / "folder")})


def test_every_command_is_in_the_table() -> None:
    """A command has wrong words, or no words that can be wrong."""
    assert {name for name, _ in commands(root)} == WRONG.keys() | WITHOUT


@pytest.mark.parametrize(("name", "words", "named"), CASES)
def test_a_wrong_word_is_named_first(refused: Cli, name: str, words: str, named: str) -> None:
    """The message is about the word, and about nothing that is missing besides."""
    err = refused(*name.split(), *words.split()).err
    assert named in err
    assert "credentials" not in err
    assert "the catalog" not in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--endpoint-url --region us-east-1 vault list", "--endpoint-url has no value: --region follows"),
        ("vault list --profile -v", "--profile has no value: -v follows"),
        ("upload photos file --description --again", "--description has no value: --again follows"),
    ],
)
def test_an_option_without_its_value_is_named(refused: Cli, words: str, named: str) -> None:
    """The next option is not taken for the value, as an empty variable of a shell would make it."""
    assert named in refused(*words.split()).err


def test_the_name_of_a_place_is_checked_while_words_are_read() -> None:
    """Before a catalog is opened, or made: each argument of each command that names a vault or a bucket."""
    count = 0
    for name, command in commands(root):
        for argument in command.params:
            if isinstance(argument, click.Argument) and argument.name in {"vault", "place", "name"}:
                with pytest.raises((click.UsageError, GlacierError), match=re.escape("'a b'")):
                    argument.type.convert("a b", argument, click.Context(command, info_name=name))
                count += 1
    assert count > 30


def test_an_option_of_another_kind_is_named_first() -> None:
    """Numbers, sizes, times, rates, ranges, addresses and choices: each option of each command."""
    count = 0
    for name, command in commands(root):
        for option in command.params:
            is_text = option.type.name in {"text", "boolean", "directory"} or getattr(option, "count", False)
            is_elsewhere = getattr(option, "hidden", False) and name != "list"  # a global one
            if isinstance(option, click.Option) and not is_text and not is_elsewhere:
                with pytest.raises((click.UsageError, GlacierError), match=re.escape("'what?'")):
                    command.make_context(name, [f"{option.opts[0]}=what?"])
                count += 1
    assert count > 50
