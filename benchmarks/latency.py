"""How close does an upload come to a long line's capacity, and do the defaults find the best concurrency?

The sink answers a round trip late and takes 20 MB/s from each connection, as a far region does. Ideal is the
archive's size over what the connections carry together, plus the round trips of beginning and completing. The
defaults, which find the concurrency on the way, are compared with each fixed one, all else equal.
``--link`` limits what all connections carry together, as the last mile does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import clients, measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.turns import Place


def ideal_seconds(size: int, round_trip: float, bytes_per_second: float) -> float:
    """Return the ideal time: one round trip each to connect, begin, complete and receive the last answer."""
    return size / bytes_per_second + 4 * round_trip


def measured(
    place: Place, options: Any, sink: Sink, concurrencies: Sequence[int | None]
) -> list[dict[str, Any]]:
    """Upload with each concurrency; None is the default."""
    points = []
    for concurrency in concurrencies:
        task = replace(
            place.task,
            path=place.source(options.size),
            size=options.size,
            part_size=options.part_size,
            concurrency=concurrency,
            memory_limit=options.memory_limit * MIB,
        )
        runs = [clients.run("aioglacier", task) for _ in range(options.rounds)]
        seconds = [run.report["seconds"] for run in runs]
        point: dict[str, Any] = {
            "concurrency": concurrency or "default",
            "seconds": [measure.median(seconds), *measure.spread(seconds)],
            "mb_per_s": round(options.size / measure.median(seconds) / 1e6, 1),
            "peak_mib": measure.median([run.peak_pss / MIB for run in runs]),
        }
        if concurrency:
            carried = concurrency * sink.bytes_per_second
            if sink.link_bytes_per_second:
                carried = min(carried, sink.link_bytes_per_second)
            ideal = ideal_seconds(options.size, sink.round_trip_seconds, carried)
            point["of_ideal"] = round(ideal / measure.median(seconds), 3)
        points.append(point)
    return points


def main() -> None:
    """Measure and print."""
    parser = turns.parser("latency", __doc__, rounds=1)
    parser.add_argument("--size", type=int, default=GIB)
    parser.add_argument("--part-size", type=int, help="by default it chooses itself")
    parser.add_argument("--round-trip-ms", type=float, default=200)
    parser.add_argument("--bandwidth", type=float, default=20, help="MB/s of each connection")
    parser.add_argument("--link", type=float, default=0, help="MB/s of all together")
    parser.add_argument("--memory-limit", type=int, default=256, help="MiB")
    parser.add_argument("--concurrencies", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    options = parser.parse_args()
    if options.quick:
        options.size, options.part_size, options.round_trip_ms = 8 * MIB, MIB, 50
        options.concurrencies = [4]
    sink = Sink(
        round_trip_seconds=options.round_trip_ms / 1000,
        bytes_per_second=options.bandwidth * 1e6,
        link_bytes_per_second=options.link * 1e6,
    )
    with turns.opened(sink) as place:
        points = measured(place, options, sink, [*options.concurrencies, None])
    *fixed, default = points
    best = min(fixed, key=lambda point: point["seconds"][0])
    measure.publish(
        "latency",
        {
            "size": options.size,
            "part_size": options.part_size,
            "round_trip_ms": options.round_trip_ms,
            "mb_per_s_a_connection": options.bandwidth,
            "mb_per_s_together": options.link,
            "memory_limit": options.memory_limit * MIB,
            "points": points,
            "best_fixed": best["concurrency"],
            "default_over_best_fixed": round(best["seconds"][0] / default["seconds"][0], 3),
        },
    )


if __name__ == "__main__":
    main()
