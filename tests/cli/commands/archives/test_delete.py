"""``aioglacier delete``: what is deleted, refused and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cli.test_signals import faulty

if TYPE_CHECKING:
    from pathlib import Path


def test_one_refusal_does_not_keep_the_others(tmp_path: Path) -> None:
    """Of three archives one is refused: it is named, the others are deleted, said and recorded; exit 3."""
    refusal = {"operation": "DeleteArchive", "code": "AccessDeniedException", "count": 1}
    with faulty(tmp_path, refusal) as cli:
        names = ["a", "b", "c"]
        for name in names:
            (tmp_path / name).write_text(name)
        archives = cli("--json", "upload", "v", *names).records
        ids = {record["archive_id"] for record in archives}
        done = cli("--json", "delete", "v", "--yes", "--", *sorted(ids), code=3)
        deleted = {record["archive_id"] for record in done.records}
        assert len(deleted) == 2
        assert done.error["error"] == "AccessDeniedError"
        assert {done.error["item"]} == ids - deleted
        states = {record["archive_id"]: record["state"] for record in cli("--json", "list", "v").records}
        assert {id_ for id_, state in states.items() if state == "stored"} == ids - deleted
