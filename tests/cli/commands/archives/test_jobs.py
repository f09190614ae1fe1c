"""Jobs by their ids."""

from __future__ import annotations

from tests.cli.conftest import MIB, Cli, data, upload_some


def test_the_output_of_any_job(cli: Cli, vault: str) -> None:
    """``jobs`` shows, waits for and fetches what ``download`` started."""
    content = data(MIB)
    archive_id = upload_some(cli, vault, content, "--description", "film.mkv")
    words = ["download", vault, f"--archive-id={archive_id}", "target", "--no-wait"]
    job = cli("--json", *words, code=75).record
    name = f"--job-id={job['job_id']}"
    assert cli("--json", "jobs", "wait", vault, name).record["status"] == "Succeeded"
    assert cli("--json", "jobs", "show", vault, "--", job["job_id"]).record["job_id"] == job["job_id"]
    titles, line = cli("jobs", "list", vault).text.splitlines()
    assert titles.split() == ["DATE", "(UTC)", "STATUS", "TIER", "ARCHIVE"]
    assert line.split()[2:] == ["Succeeded", "Standard", "film.mkv"]
    assert job["job_id"] in cli("jobs", "list", vault, "--long").text
    assert cli("jobs", "output", vault, name, "-").out == content
    cli("jobs", "output", vault, name, "target")
    assert (cli.folder / "target").read_bytes() == content
