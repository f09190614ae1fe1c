"""The tables of README and docs, each from the committed results, by the name of its markers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from benchmarks import scale_tables
from benchmarks.goals import GOALS, PEERS
from benchmarks.measure import GIB, MIB
from benchmarks.table_rows import CLIENTS, markdown, size_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results import Results


def _made(*results: dict[str, Any]) -> str:
    """The commands below a table."""
    words = "; ".join(f"`{result['command'].removeprefix('python -m benchmarks ')}`" for result in results)
    return f"\n\nMade by `python -m benchmarks` {words}."


def _costs(result: dict[str, Any]) -> str:
    """Rows of each client's cost; minimum and maximum follow the median where they matter."""
    rows = []
    for name, figures in result["clients"].items():
        wall, cpu = figures["wall_s_per_gib"], figures["cpu_s_per_gib"]
        rows.append(
            [
                CLIENTS.get(name, name),
                f"{wall[0]:.2f} ({wall[1]:.2f}-{wall[2]:.2f})",
                f"{cpu[0]:.2f} ({cpu[1]:.2f}-{cpu[2]:.2f})",
                f"{figures['process_wall_s_per_gib'][0]:.2f}",
                f"{figures['process_cpu_s_per_gib'][0]:.2f}",
                f"{figures['peak_mib'][0]:.0f}",
            ]
        )
    heads = ["client", "seconds", "CPU s", "process: seconds", "CPU s", "peak MiB"]
    return markdown(heads, rows) + _made(result)


def upload(part_size: int, *, tls: bool) -> Callable[[Results], str]:
    """Uploads beside floor and peers."""
    return lambda results: _costs(
        results.find("upload_cost", part_size=part_size, tls=tls, size=GIB, concurrency=4)
    )


def s3_upload(*, tls: bool) -> Callable[[Results], str]:
    """Uploads to S3 beside floor and peers."""
    return lambda results: _costs(results.find("s3_upload", tls=tls, size=GIB))


def goals(results: Results) -> str:
    """Goals and whether they hold."""
    rows = []
    for goal in GOALS:
        try:
            measured = goal.measure(results)
        except LookupError:
            rows.append([goal.about, goal.bound, "not measured", "", ""])
            continue
        command = measured.command.removeprefix("python -m benchmarks ")
        rows.append(
            [goal.about, goal.bound, measured.figure, "yes" if measured.holds else "**no**", f"`{command}`"]
        )
    return markdown(["what", "goal", "measured", "holds", "`python -m benchmarks` ..."], rows)


def ways(results: Results) -> str:
    """Sources, loops, hashers; plain and TLS."""
    plain, tls = (results.find("ways", tls=tls, size=GIB) for tls in (False, True))
    rows = []
    for name, figures in plain["clients"].items():
        secure = tls["clients"].get(name)
        rows.append(
            [
                CLIENTS.get(name) or name.removeprefix("aioglacier+").replace("+", ", "),
                *(
                    f"{one[key][0]:.2f}" if one else ""
                    for one in (figures, secure)
                    for key in ("wall_s_per_gib", "cpu_s_per_gib")
                ),
                f"{figures['peak_mib'][0]:.0f}",
            ]
        )
    heads = ["way", "plain: seconds", "CPU s", "TLS: seconds", "CPU s", "peak MiB"]
    return markdown(heads, rows) + _made(plain, tls)


def _curve(benchmark: str, by: str, head: str, name_of: Callable[[Any], str], **settings: Any) -> Any:
    def table(results: Results) -> str:
        points = results.points(benchmark, by, **settings)
        names = list(dict.fromkeys(name for point in points for name in point["clients"]))
        rows = []
        for point in points:
            cells = [name_of(point[by])]
            for name in names:
                figures = point["clients"].get(name)
                cells.append(
                    f"{GIB / 1e6 / figures['wall_s_per_gib'][1]:,.0f} / {figures['cpu_s_per_gib'][0]:.2f} / "
                    f"{figures['peak_mib'][0]:,.0f}"
                    if figures
                    else ""
                )
            rows.append(cells)
        heads = [head, *(CLIENTS.get(name, name).split(":")[0] for name in names)]
        return markdown(heads, rows) + _made(*results.find_all(benchmark, **settings))

    return table


def small_archives(results: Results) -> str:
    """Rates of small archives."""
    result = results.find("small_archives")
    names = list(result["points"][0]["clients"])
    rows = []
    for point in result["points"]:
        cells = [size_name(point["size"])]
        for name in names:
            figures = point["clients"][name]
            cells.append(
                f"{figures['archives_per_s'][0]:,.0f} / {figures['archives_per_cpu_s'][0]:,.0f} / "
                f"{figures['cpu_ms_each'][0]:.2f}"
            )
        rows.append(cells)
    names = [CLIENTS[name].split(",")[0] if name != "boto3" else "boto3, 16 threads" for name in names]
    return markdown(["size of each", *names], rows) + _made(result)


def small_parts(results: Results) -> str:
    """CPU of a part above hashing and sending."""
    result = results.find("small_parts", part_size=MIB)
    rows = []
    for name, (median, least, most) in result["cpu_ms_a_part_above_floor"].items():
        rows.append([CLIENTS[name], f"{median:.2f} ({least:.2f} to {most:.2f})"])
    return markdown(["client", "CPU ms a part of 1 MiB, above hashing and sending"], rows) + _made(result)


def latency(results: Results) -> str:
    """Long lines."""
    rows = []
    found = sorted(
        results.find_all("latency", size=GIB),
        key=lambda result: (result["mb_per_s_together"], result["round_trip_ms"]),
    )
    for result in found:
        line = f"{result['round_trip_ms']:.0f} ms"
        if result["mb_per_s_together"]:
            line += f", {result['mb_per_s_together']:.0f} MB/s in all"
        rows += [
            [
                line,
                str(point["concurrency"]).replace("default", "**the defaults**"),
                f"{point['seconds'][0]:.1f}",
                f"{point['mb_per_s']:.0f}",
                f"{point['of_ideal']:.0%}".replace("%", " %") if "of_ideal" in point else "",
                f"{point['peak_mib']:.0f}",
            ]
            for point in result["points"]
        ]
    heads = ["line", "at once", "seconds", "MB/s", "of what the connections carry", "peak MiB"]
    return markdown(heads, rows) + _made(*found)


def download(results: Results) -> str:
    """Downloads beside the floor."""
    return _costs(results.find("download_cost", tls=False, size=GIB, new=None, watched=None))


def download_tls(results: Results) -> str:
    """Downloads on TLS."""
    return _costs(results.find("download_cost", tls=True, size=GIB, new=None, watched=None))


def start_up(results: Results) -> str:
    """Import, commands, first byte."""
    result = results.find("start_up", size=64 * MIB)
    rows = [
        [f"`{name}`" if "without" not in name else name, f"{median:.0f} ({least:.0f}-{most:.0f})"]
        for name, (median, least, most) in result["ms"].items()
    ]
    rows += [
        [f"first byte of `{name}`", f"{median:.0f} ({least:.0f}-{most:.0f})"]
        for name, (median, least, most) in result["first_byte_ms"].items()
    ]
    return markdown(["what", "ms"], rows) + _made(result)


def memory(results: Results) -> str:
    """Peak memory over the length of a stream."""
    found = sorted(
        results.find_all("stream_memory", memory_limit=256 * MIB), key=lambda one: int(one["part_size"])
    )
    sizes = sorted({int(size) for result in found for size in result["streams"]})
    rows = []
    for size in sizes:
        peaks = [result["streams"].get(str(size)) for result in found]
        rows.append([size_name(size), *(f"{one['peak_mib'][0]:.0f} MiB" if one else "" for one in peaks)])
    heads = ["stream", *(f"{size_name(result['part_size'])} parts" for result in found)]
    return markdown(heads, rows) + _made(*found)


def loop_stall(results: Results) -> str:
    """Waits for the loop, of uploads."""
    return _waits([results.find("loop_stall", tls=tls, part_size=64 * MIB) for tls in (True, False)])


def loop_stall_down(results: Results) -> str:
    """Waits for the loop, of downloads."""
    return _waits(
        [results.find("download_cost", tls=tls, size=GIB, new=None, watched=True) for tls in (True, False)]
    )


def _waits(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for result in found:
        for name, figures in result["clients"].items():
            stall = figures["stall_ms"]
            rows.append(
                [
                    CLIENTS.get(name, name),
                    "TLS" if result["tls"] else "plain",
                    *(f"{stall[key]:.1f}" for key in ("p50", "p99", "p999", "max")),
                    f"{result['worst_ms'][name]:.1f}",
                ]
            )
    heads = ["client", "transport", "half", "99 %", "99.9 %", "all", "the worst round"]
    return markdown(heads, rows) + _made(*found)


def local_glacier(results: Results) -> str:
    """The server's own cost."""
    result = results.find_all("local_glacier", size=GIB)[-1]
    large = result["vaults"][-1]
    rows = [
        ["parts of 16 MiB, all checked and synced", f"{result['parts']['megabytes_per_second']:.0f} MB/s"],
        ["its CPU for a GiB", f"{result['parts']['server_cpu_s_per_gib']:.2f} s"],
        ["floor: hash twice, write, sync; one thread", f"{result['floor']['cpu_s_per_gib']:.2f} s"],
        ["small archives of a KiB", f"{result['small']['archives_per_second']:,} a second"],
        [f"a vault of {large['archives']:,} archives: opened in", f"{large['open_seconds'] * 1000:.0f} ms"],
        [
            f"its inventory of {large['inventory_mb']:.0f} MB: written in",
            f"{large['inventory_job_seconds']:.1f} s",
        ],
        ["an archive more", f"{large['upload_ms']:.1f} ms"],
        ["the same in a vault of 1,000", f"{result['vaults'][0]['upload_ms']:.1f} ms"],
    ]
    return markdown(["local Glacier", "figure"], rows) + _made(result)


def inventory(results: Results) -> str:
    """Reading an inventory job."""
    result = results.find("inventory_job")
    rows = [
        ["archives", f"{result['archives']:,}"],
        ["size", f"{result['size'] / 1e9:.2f} GB"],
        ["fetched and read", f"{result['megabytes_per_second']:.0f} MB/s"],
        ["growth of memory", f"{result['memory_growth_mib']:.0f} MiB"],
    ]
    return markdown(["inventory job", "figure"], rows) + _made(result)


def inventory_parsing(results: Results) -> str:
    """Reading local inventories."""
    result = results.find("inventory_parsing")
    names = {"json": "JSON", "csv": "CSV", "json.loads": "for comparison: `json.loads` of the whole document"}
    rows = [
        [
            names[reader["reader"]],
            f"{reader['megabytes_per_second']['median']:.0f} MB/s",
            f"{reader['archives'] / reader['seconds']:,.0f}",
            f"{reader['peak_memory_growth'] / MIB:.1f} MiB",
        ]
        for reader in result["readers"]
    ]
    return markdown(
        ["inventory of 200,000 archives", "read", "archives a second", "memory grows by"], rows
    ) + _made(result)


def folders(results: Results) -> str:
    """A folder of small files, few and many."""
    result = results.find("folders")
    found = result["folders"]

    def row(about: str, shown: Callable[[dict[str, Any]], str]) -> list[str]:
        return [about, *(shown(folder) for folder in found)]

    rows = [
        row("first `sync`: files a second", lambda one: f"{one['first']['files_a_second']:,}"),
        row("CPU seconds", lambda one: f"{one['first']['cpu_seconds']:.1f}"),
        row("peak memory", lambda one: f"{one['first']['peak_pss_mib']:.0f} MiB"),
        row("requests", lambda one: f"{one['first']['requests']}, for {one['first']['sent_mib']:,.0f} MiB"),
        row(
            "its first upload has begun, from the command's start",
            lambda one: f"{one['first']['upload_begun_s']:.2f} s",
        ),
        row(
            "`sync` again, nothing changed: files a second",
            lambda one: f"{one['unchanged']['files_a_second']:,}",
        ),
        row("peak memory", lambda one: f"{one['unchanged']['peak_pss_mib']:.0f} MiB"),
        row("requests", lambda one: f"{one['unchanged']['requests']}"),
    ]
    return markdown(["", *(f"{one['files']:,} files" for one in found)], rows) + _made(result)


def catalog(results: Results) -> str:
    """Records in SQLite."""
    result = results.find("catalog_writes", database="SQLite")
    million = f"{result['archives']:,} archives"
    rates = {
        f"an inventory of {million} merged into a new catalog": result["merge_new"],
        "merged again": result["merge_known"],
        f"{million} listed": result["list"],
        "archives recorded together, 500 in a transaction": result["together"],
        "archives recorded by 200 tasks, one each at a time": result["by_tasks"],
        "intents of uploads": result["intents"],
        "a million files of a folder recorded": result["entries"]["add"],
        "the same read as a comparison does": result["entries"]["read"],
    }
    rows = [
        [about, f"{rate['records_per_s']:,} a second", f"{rate['stall_ms_max']:.1f} ms"]
        for about, rate in rates.items()
    ]
    rows.append(["a part recorded", f"{result['record_part']['ms']:.2f} ms", ""])
    return markdown(["SQLite, each record on disk", "", "the loop waited at most"], rows) + _made(result)


def machine(results: Results) -> str:
    """The machine of the measurements."""
    machines = [result["machine"] for result in results if "hash_core" in result["machine"]]
    others = [100 * one.get("other_programs", 0) for one in machines]
    least, most = min(others), max(others)
    last = max(machines, key=lambda one: str(one["time"]))
    revisions = sorted({one["revision"].rstrip("+") for one in machines})
    versions = ", ".join(
        f"{name} {version}" for name, version in last["versions"].items() if name != "aioglacier"
    )
    return (
        f"{last['cpu']}, {last['cores']} cores, {last['memory_gib']} GiB, Linux {last['kernel']}, Python "
        f"{last['python']}, {last['openssl']}; hash core: {last['hash_core']}; {versions}; measured "
        f"{last['time'][:10]} on revision {' and '.join(revisions)}. Other programs took {least:.0f} to "
        f"{most:.0f} % of the cores meanwhile."
    )


def readme(results: Results) -> str:
    """The figures of the README."""
    plain = results.find("upload_cost", part_size=16 * MIB, tls=False, size=GIB, concurrency=4)
    tls = results.find("upload_cost", part_size=16 * MIB, tls=True, size=GIB, concurrency=4)
    names = ["floor+native", "aioglacier", "aioglacier+hashlib", *PEERS, "aws-cli"]
    rows = []
    for name in names:
        if name not in plain["clients"] or name == "aiobotocore+combined":
            continue
        cells = [
            CLIENTS[name].replace(": read, hash twice in one pass, `sendall`; one thread", ", one thread")
        ]
        for result in (plain, tls):
            figures = result["clients"][name]
            cells += [f"{figures[key][0]:.2f}" for key in ("wall_s_per_gib", "cpu_s_per_gib")]
        cells.append(f"{plain['clients'][name]['peak_mib'][0]:.0f}")
        rows.append(cells)
    return markdown(["1 GiB, 16 MiB parts", "plain: s", "CPU s", "TLS: s", "CPU s", "peak MiB"], rows)


TABLES: Final[dict[str, Callable[[Results], str]]] = {
    "readme": readme,
    "machine": machine,
    "goals": goals,
    "upload-plain": upload(16 * MIB, tls=False),
    "upload-tls": upload(16 * MIB, tls=True),
    "upload-tls-64": upload(64 * MIB, tls=True),
    "s3-upload-plain": s3_upload(tls=False),
    "s3-upload-tls": s3_upload(tls=True),
    "part-sizes": _curve("part_sizes", "part_size", "part size", size_name),
    "concurrency": _curve("concurrency", "concurrency", "at once", str, tls=False),
    "archive-sizes": _curve("archive_sizes", "size", "archive", size_name),
    "ways": ways,
    "small-archives": small_archives,
    "small-parts": small_parts,
    "latency": latency,
    "download": download,
    "download-tls": download_tls,
    "start-up": start_up,
    "memory": memory,
    "loop-stall": loop_stall,
    "loop-stall-down": loop_stall_down,
    "local-glacier": local_glacier,
    "inventory": inventory,
    "inventory-parsing": inventory_parsing,
    "folders": folders,
    "catalog": catalog,
    "scale-costs": scale_tables.costs,
    "scale-archives": scale_tables.archives,
    "scale-files": scale_tables.files,
    "scale-cluster": scale_tables.cluster,
    "scale-workers": scale_tables.workers,
}

_MARKED: Final = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_in(text: str, results: Results) -> str:
    """Return a document with each marked table made again."""
    return _MARKED.sub(lambda found: f"{found[1]}{TABLES[found[2]](results)}\n{found[3]}", text)


def marked(text: str) -> list[str]:
    """The names of the tables in a document."""
    return [found[2] for found in _MARKED.finditer(text)]
