"""The plots: one function for each question, from the results to a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from benchmarks import drawing
from benchmarks.drawing import ACCENT, GREY, INK, OURS, OURS_LIGHT, PALE
from benchmarks.measure import GIB, MIB
from benchmarks.table_rows import size_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from benchmarks.results import Results

_CLIENTS: Final = (
    "floor+native",
    "aioglacier",
    "floor",
    "aioglacier+hashlib",
    "boto3",
    "boto3+combined",
    "boto3+sequential",
    "glacier_upload",
    "aiobotocore",
    "aws-cli",
)


def _note(result: dict[str, Any], text: str) -> str:
    machine = result["machine"]
    return (
        f"{text}; {machine['cores']} cores, Python {machine['python']}; "
        f"python -m benchmarks {result['benchmark']}"
    )


def _beside_peers(results: Results, key: str, title: str, text: str) -> Figure:
    """Draw the bars of one figure, plain and TLS."""
    pairs = [(way, tls) for way, tls in (("plain", False), ("TLS", True))]
    plain = results.find("upload_cost", part_size=16 * MIB, tls=False, size=GIB)
    figure, panels = drawing.new(title, _note(plain, text), panels=2, height=3.9, sharey=True)
    for axes, (way, tls) in zip(panels, pairs, strict=True):
        clients = results.find("upload_cost", part_size=16 * MIB, tls=tls, size=GIB)["clients"]
        drawing.bars(axes, [(name, *clients[name][key]) for name in _CLIENTS if name in clients])
        axes.set_title(way)
    panels[1].invert_yaxis()  # the axis is shared
    return figure


def cpu(results: Results) -> Figure:
    """CPU for a GiB beside floor and peers."""
    return _beside_peers(
        results,
        "cpu_s_per_gib",
        "CPU seconds to upload 1 GiB",
        "1 GiB file, 16 MiB parts, 4 at once, over loopback",
    )


def wall(results: Results) -> Figure:
    """Seconds for a GiB beside floor and peers."""
    return _beside_peers(
        results,
        "wall_s_per_gib",
        "Seconds to upload 1 GiB",
        "1 GiB file, 16 MiB parts, 4 at once, over loopback; the floor is one thread",
    )


def _speed(point: dict[str, Any], name: str) -> float:
    """Return MB/s of the fastest round, because other load can only slow a round."""
    return GIB / 1e6 / float(point["clients"][name]["wall_s_per_gib"][1])


def part_sizes(results: Results) -> Figure:
    """Throughput and memory over the part size."""
    points = results.points("part_sizes", "part_size", concurrency=4)
    result = results.find("part_sizes")
    figure, (left, right) = drawing.new(
        "Size of the parts: speed, and what is held in memory",
        _note(result, "4 parts at once, plain, fastest round"),
        panels=2,
    )
    ticks = [point["part_size"] for point in points]
    labels = [f"{size // MIB}" for size in ticks]
    for axes, title, value in (
        (left, "MB/s", _speed),
        (right, "peak memory, MiB", lambda point, name: float(point["clients"][name]["peak_mib"][0])),
    ):
        drawing.log2(axes, ticks, labels)
        drawn = []
        for name in ("floor+native", "aioglacier", "aioglacier+hashlib", "boto3", "aiobotocore"):
            if axes is right and name.startswith("floor"):
                continue
            curve = [(p["part_size"], value(p, name)) for p in points if name in p["clients"]]
            drawn.append(drawing.line(axes, name, curve))
        axes.set_title(title)
        axes.set_xlabel("part size, MiB")
        drawing.thousands(axes)
        if axes is right:
            axes.set_yscale("log", base=2)
            axes.set_yticks([64, 128, 256, 512, 1024, 2048, 4096, 8192])
            drawing.thousands(axes)
        else:
            axes.set_ylim(0)
        drawing.name_ends(axes, drawn)
    return figure


def concurrency(results: Results) -> Figure:
    """Throughput over the parts sent at once, on loopback."""
    result = results.find("concurrency", tls=False)
    figure, (axes,) = drawing.new(
        "Parts at once, over loopback", _note(result, "1 GiB, 16 MiB parts, plain, fastest round")
    )
    ticks = [point["concurrency"] for point in result["points"]]
    drawing.log2(axes, ticks, [str(tick) for tick in ticks])
    drawn = []
    for name, label in (
        ("aioglacier", None),
        ("boto3", "boto3, threads"),
        ("aiobotocore", "aiobotocore, gather"),
    ):
        curve = [(point["concurrency"], _speed(point, name)) for point in result["points"]]
        drawn.append(drawing.line(axes, name, curve, label))
    axes.set_title("MB/s")
    axes.set_xlabel("parts at once")
    axes.set_ylim(0)
    drawing.thousands(axes)
    drawing.name_ends(axes, drawn)
    return figure


def archive_sizes(results: Results) -> Figure:
    """Throughput of single archives, and rate of small ones, over their size."""
    points = results.points("archive_sizes", "size")
    small = results.find("small_archives")
    figure, (left, right) = drawing.new(
        "Archives from a KiB to 4 GiB",
        _note(small, "left: 16 at once, one process; right: one archive, defaults, fastest round"),
        panels=2,
    )
    sizes = [point["size"] for point in small["points"]]
    drawing.log2(left, sizes, [f"{size // 1024}" for size in sizes])
    drawn = []
    for name in ("aiohttp", "aioglacier", "boto3", "aiobotocore"):
        curve = [
            (point["size"], point["clients"][name]["archives_per_cpu_s"][0])
            for point in small["points"]
            if name in point["clients"]
        ]
        drawn.append(drawing.line(left, name, curve, name if name != "aiohttp" else None))
    left.set_title("archives for each second of client CPU")
    left.set_xlabel("size of each archive, KiB")
    left.set_yscale("log", base=2)
    left.set_yticks([500, 1000, 2000, 4000, 8000])
    left.yaxis.set_minor_locator(NullLocator())
    drawing.thousands(left)
    drawing.name_ends(left, drawn)
    sizes = [point["size"] for point in points]
    drawing.log2(right, sizes, [f"{size // MIB}" for size in sizes])
    drawn = [
        drawing.line(right, name, [(point["size"], _speed(point, name)) for point in points])
        for name in ("aioglacier", "boto3")
    ]
    right.set_title("MB/s of one upload")
    right.set_xlabel("size of the archive, MiB")
    right.set_ylim(0)
    drawing.thousands(right)
    drawing.name_ends(right, drawn)
    return figure


def memory(results: Results) -> Figure:
    """Peak memory over the length of a stream."""
    found = results.find_all("stream_memory", memory_limit=256 * MIB)
    figure, (axes,) = drawing.new(
        "Memory does not grow with the archive",
        _note(found[0], "stream of unknown length, 4 parts at once, memory_limit 256 MiB"),
        height=3.4,
    )
    drawn = []
    for result in sorted(found, key=lambda result: int(result["part_size"])):
        name = "aioglacier" if result["part_size"] == 8 * MIB else "aioglacier+hashlib"
        curve = [(int(size), one["peak_mib"][0]) for size, one in result["streams"].items()]
        drawn.append(drawing.line(axes, name, curve, f"{size_name(result['part_size'])} parts"))
    sizes = sorted({int(size) for result in found for size in result["streams"]})
    drawing.log2(axes, sizes, [size_name(size) for size in sizes])
    axes.axhline(256 + 96, color=INK, linewidth=1, linestyle="--")
    axes.text(sizes[0], 256 + 96 + 8, "memory_limit + 96 MiB: the promise", fontsize=8.5, color=INK)
    axes.set_title("peak memory of the process tree, MiB (PSS)")
    axes.set_xlabel("bytes streamed")
    axes.set_ylim(0, 430)
    drawing.name_ends(axes, drawn)
    return figure


def loop_stall(results: Results) -> Figure:
    """Draw the waits of other tasks on the event loop."""
    result = results.find("loop_stall", tls=True, part_size=64 * MIB)
    figure, (axes,) = drawing.new(
        "How long everything else on the event loop waits",
        _note(result, "2 GiB, 64 MiB parts, 4 at once, TLS"),
        height=3.1,
    )
    names = [
        name
        for name in ("aioglacier", "aioglacier+threads", "aioglacier+uvloop", "aiobotocore")
        if name in result["clients"]
    ]
    for at, name in enumerate(names):
        stall = result["clients"][name]["stall_ms"]
        color, light = (OURS, OURS_LIGHT) if name.startswith("aioglacier") else (GREY, PALE)
        axes.plot([stall["p50"], stall["max"]], [at, at], color=PALE, linewidth=3, zorder=1)
        faces = {"p50": "white", "p99": light, "p999": color, "max": INK}
        for key, face in faces.items():
            edge = INK if key == "max" else color
            axes.plot(stall[key], at, "o", markersize=8, color=edge, mfc=face, zorder=3)
        axes.annotate(
            f"{stall['max']:,.0f} ms",
            (stall["max"], at),
            xytext=(9, -3),
            textcoords="offset points",
            fontsize=9,
        )
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=7, color=edge, mfc=face, label=word)
        for word, face, edge in (
            ("half of the waits are shorter", "white", OURS),
            ("99 %", OURS_LIGHT, OURS),
            ("99.9 %", OURS, OURS),
            ("all", INK, INK),
        )
    ]
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=4,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.1,
        columnspacing=1.2,
        borderpad=0,
    )
    axes.axvline(50, color=ACCENT, linewidth=1, linestyle="--")
    axes.text(50, len(names) - 0.45, " goal: all below 50 ms", color=ACCENT, fontsize=8.5, va="center")
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1,000"])
    axes.set_yticks(range(len(names)), [drawing.STYLES[name][0] for name in names])
    axes.set_ylim(len(names) - 0.3, -0.6)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("milliseconds")
    return figure


def latency(results: Results) -> Figure:
    """Time to upload over fixed concurrency on a long line, and with the defaults."""
    found = [results.find("latency", round_trip_ms=rtt, mb_per_s_together=0, size=GIB) for rtt in (50, 200)]
    figure, panels = drawing.new(
        "On a long line the defaults find what it carries",
        _note(found[1], "1 GiB, 20 MB/s for each connection"),
        panels=2,
        sharey=True,
    )
    for axes, result in zip(panels, found, strict=True):
        *fixed, default = result["points"]
        ticks = [point["concurrency"] for point in fixed]
        drawing.log2(axes, ticks, [str(tick) for tick in ticks])
        ideal = [(tick, result["size"] / tick / 20e6) for tick in ticks]
        axes.plot(*zip(*ideal, strict=True), "--", color=INK, linewidth=1.2)
        axes.annotate(
            "what the connections carry",
            ideal[2],
            xytext=(-8, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8.5,
            color=INK,
        )
        axes.plot(ticks, [point["seconds"][0] for point in fixed], "o-", color=GREY, linewidth=1.8)
        axes.annotate(
            "fixed concurrency",
            (ticks[1], fixed[1]["seconds"][0]),
            xytext=(8, 4),
            textcoords="offset points",
            fontsize=9,
            color=GREY,
        )
        axes.axhline(default["seconds"][0], color=OURS, linewidth=2.6)
        axes.text(
            ticks[0],
            default["seconds"][0] * 0.93,
            f"defaults: {default['seconds'][0]:.1f} s",
            color=OURS,
            fontweight="bold",
            va="top",
            fontsize=9,
        )
        axes.set_yscale("log", base=2)
        axes.set_yticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        axes.set_title(f"{result['round_trip_ms']:.0f} ms round trip: seconds")
        axes.set_xlabel("parts at once")
    return figure


PLOTS: Final[dict[str, Callable[[Results], Figure]]] = {
    "cpu": cpu,
    "wall": wall,
    "part_sizes": part_sizes,
    "concurrency": concurrency,
    "archive_sizes": archive_sizes,
    "memory": memory,
    "loop_stall": loop_stall,
    "latency": latency,
}


def draw(results: Results, folder: Path) -> None:
    """Draw all of them into a folder."""
    for name, plot in PLOTS.items():
        drawing.save(plot(results), folder / name)
