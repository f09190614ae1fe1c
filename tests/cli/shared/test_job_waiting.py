"""Jobs that are not done, and what an inventory has brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aioglacier
from aioglacier.bulk.pricing import load_prices
from aioglacier.catalog import Catalog
from aioglacier.cli.program.exits import Exit
from aioglacier.cli.shared.job_waiting import inventory_job, not_yet, tell_of, wait, warn_of_doubts
from aioglacier.core.spending import Budget
from aioglacier.server import LocalGlacier

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from aioglacier.cli.program.session import Session

BUDGET = Budget(load_prices("us-east-1"), None)


async def test_a_job_is_found_waited_for_and_read(
    session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A running job is shown with the way to its output; once done it is not waited for again."""
    session.resume = "aioglacier inventory photos"
    async with (
        LocalGlacier(tmp_path / "glacier") as server,
        Catalog.open(tmp_path / "catalog.db") as catalog,
        aioglacier.connect(
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            catalog=catalog,
            hash_in="threads",
        ) as glacier,
    ):
        vault = await glacier.create_vault("photos")
        await server.run_inventory()
        job, description = await inventory_job(session, vault, BUDGET)
        assert not_yet(session, "photos", description) is Exit.NOT_YET
        assert (await inventory_job(session, vault, BUDGET))[0].id == job.id
        await server.advance(6 * 3600)
        done = await wait(session, job, description, timeout_seconds=30)
        assert await wait(session, job, done) is done
        reading = job.read_inventory(done)
        assert [archive async for archive in reading.archives()] == []
        assert await tell_of(session, reading) is Exit.DONE
    err = capsys.readouterr().err
    assert "started job" in err
    assert "to fetch its output later: aioglacier inventory photos" in err
    assert "0 archives new to the catalog" in err


def test_doubts_are_warnings(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    """Archives that the inventory contradicts and those that it lacks are counted apart."""
    warn_of_doubts(session, 0, 0)
    assert not capsys.readouterr().err
    warn_of_doubts(session, 1, 2)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: 1 archive of another size")
    assert "lacks 2 archives" in second
