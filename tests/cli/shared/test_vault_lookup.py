"""The vault that the options mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aioglacier.catalog import Catalog, VaultKey
from aioglacier.cli.program.session import CommandError
from aioglacier.cli.shared.vault_lookup import find_region, find_vault, make_key, require_key
from tests.catalog.samples import NOON, archive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aioglacier.cli.program.session import Session

IRELAND = VaultKey("photos", "eu-west-1")
OHIO = VaultKey("photos", "us-east-2")
SERVER = VaultKey("photos", "us-east-1", endpoint="http://localhost:1")
MUSEUM = VaultKey("s3://museum/scans/", "us-east-1", endpoint="http://localhost:3")


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog with three vaults of one name, and a bucket."""
    async with Catalog.open(tmp_path / "catalog.db") as opened:
        for key in (IRELAND, OHIO, SERVER):
            await opened.archives.merge_inventory(key, [archive(1)], inventoried=NOON)
        await opened.archives.note_vault(MUSEUM, "", NOON)
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"region": "eu-west-1"}, IRELAND),
        ({"region": "us-east-2"}, OHIO),
        ({"endpoint_url": "http://localhost:1"}, SERVER),
        ({"endpoint_url": "http://localhost:2"}, SERVER),  # it has another port now
        ({"endpoint_url": "http://other:1"}, None),
        ({"region": "eu-west-1", "account_id": "0" * 12}, None),
    ],
)
async def test_options_choose_among_vaults_of_one_name(
    catalog: Catalog, make_session: Callable[..., Session], options: dict[str, str], found: VaultKey | None
) -> None:
    """Region, endpoint and account decide, and a local server may have moved to another port."""
    assert await find_vault(make_session(**options), catalog, "photos") == found


async def test_a_bucket_has_the_endpoint_of_s3(
    catalog: Catalog, make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that names Glacier's endpoint says nothing about buckets."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", "http://other:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://localhost:3")
    assert await find_vault(make_session(), catalog, MUSEUM.vault) == MUSEUM
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://other:1")
    with pytest.raises(CommandError, match="aioglacier catalog recover s3://museum/scans/"):
        await require_key(make_session(), catalog, MUSEUM.vault)


async def test_several_vaults_are_named(catalog: Catalog, make_session: Callable[..., Session]) -> None:
    """Without options the name alone does not tell which is meant, and none is taken by chance."""
    with pytest.raises(CommandError, match=r"several vaults.*--region.*us-east-2") as caught:
        await find_vault(make_session(), catalog, "photos")
    assert caught.value.code == 2


async def test_a_vault_that_is_not_on_record_needs_an_inventory(catalog: Catalog, session: Session) -> None:
    """The message names the command that fetches the list."""
    assert await require_key(session, catalog, "photos") == IRELAND
    with pytest.raises(CommandError, match="aioglacier inventory films"):
        await require_key(session, catalog, "films")
    with pytest.raises(CommandError, match="did you mean 'photos'"):
        await require_key(session, catalog, "phtos")


def test_a_new_key_has_the_place_of_the_options(make_session: Callable[..., Session], tmp_path: Path) -> None:
    """AWS's own endpoint is none, another is kept without its path, and a folder by its real path."""
    aws = make_session(region="eu-west-1", endpoint_url="https://glacier.eu-west-1.amazonaws.com/")
    assert make_key(aws.settings, "photos", region=None) == IRELAND
    other = make_session(endpoint_url="http://localhost:1/x")
    assert make_key(other.settings, "photos", region="us-east-1") == SERVER
    local = make_session(local=str(tmp_path))
    assert make_key(local.settings, "photos", region=None).endpoint == f"local:{tmp_path.resolve()}"
    with pytest.raises(CommandError, match="--region"):
        make_key(make_session().settings, "photos", region=None)


def test_the_option_goes_before_the_environment(
    make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The region is that of the option, else of AWS's variables; a local Glacier has one of its own."""
    named, unnamed = make_session(region="eu-west-1"), make_session()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert find_region(named.settings) == "eu-west-1"
    assert find_region(unnamed.settings) == "eu-north-1"
    assert find_region(make_session(local="glacier").settings) == "us-east-1"
