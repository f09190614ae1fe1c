"""Which resource runs out first at 40 TB, at a million files, and with 64 cores on 100 Gbit/s?

Nothing is measured here: unit costs come from the committed results, and ``simulation`` sends parts through a
machine and a line with them. The resource that runs out first is the one that, doubled, brings most.
"""

from __future__ import annotations

import math
from typing import Any, Final

from benchmarks import measure, turns
from benchmarks.measure import GIB, MIB
from benchmarks.results import Results
from benchmarks.simulation import Costs, Place, rate, scarce

GBIT: Final = 1e9 / 8

#: Parts of a named file are read twice and never held, so no buffer bounds them.
FILE: Final = math.inf

KIB: Final = 1024

#: Prices of us-east-1 in dollars, as an illustration.
REQUEST_PRICE: Final = 0.05 / 1000

FAR = {"connection": 20e6, "round_trip": 0.2}
NEAR = {"connection": 600e6, "round_trip": 0.002}


def unit_costs(results: Results, *, tls: bool) -> Costs:
    """Return the cost of a byte and of a request, from measured uploads."""
    clients = results.find("ways", tls=tls, size=GIB)["clients"]
    ours = clients["aioglacier+processes"]
    send = float(ours["own_cpu_s_per_gib"][0])
    hashing = float(ours["cpu_s_per_gib"][0]) - send
    part = results.find("small_parts", part_size=MIB)["cpu_ms_a_part_above_floor"]["aioglacier"][0] / 1000
    return Costs(hashing / GIB, send / GIB, float(part))


def big_archives(results: Results, *, most: int | None = None) -> list[dict[str, Any]]:
    """Return machines and lines, each with its speed and its scarce resource."""
    tls = unit_costs(results, tls=True)
    cases: list[tuple[str, float, Place]] = [
        ("laptop, 100 Mbit/s, 30 ms", 16 * MIB, Place(2, 1, 4, FILE, 20e6, 0.1 * GBIT, 0.03)),
        ("2 cores, 1 Gbit/s, 200 ms", 16 * MIB, Place(2, 1, 16, FILE, link=GBIT, **FAR)),
        ("2 cores, 10 Gbit/s in the region", 16 * MIB, Place(2, 1, 16, FILE, link=10 * GBIT, **NEAR)),
        ("64 cores, 100 Gbit/s, 200 ms", 16 * MIB, Place(8, 1, 64, FILE, link=100 * GBIT, **FAR)),
        ("the same, a stream, 1 GiB of buffers", 16 * MIB, Place(8, 1, 64, GIB, link=100 * GBIT, **FAR)),
        ("the same, a file, 800 at once", 16 * MIB, Place(8, 1, 800, FILE, link=100 * GBIT, **FAR)),
        ("64 cores, 100 Gbit/s in the region", 16 * MIB, Place(8, 1, 64, FILE, link=100 * GBIT, **NEAR)),
        ("the same, 8 loops", 16 * MIB, Place(8, 8, 64, FILE, link=100 * GBIT, **NEAR)),
        ("the same, 16 loops and 16 workers", 16 * MIB, Place(16, 16, 64, FILE, link=100 * GBIT, **NEAR)),
        ("40 TB, parts of 4 GiB, 200 ms, 4 at once", 4 * GIB, Place(2, 1, 4, FILE, link=GBIT, **FAR)),
        ("40 TB, parts of 4 GiB, in the region", 4 * GIB, Place(8, 8, 16, FILE, link=100 * GBIT, **NEAR)),
        (
            "the same, a stream, 100 GiB of buffers",
            4 * GIB,
            Place(8, 8, 16, 100 * GIB, link=100 * GBIT, **NEAR),
        ),
    ]
    found = []
    for name, part_size, place in cases[:most]:
        speed = rate(part_size, tls, place)
        what, gain = scarce(part_size, tls, place)
        parts = place.parts_held(part_size)
        is_file = place.memory == FILE
        found.append(
            {
                "case": name,
                "gb_per_s": round(speed / 1e9, 4),
                "hours_for_40_tb": round(10_000 * 4 * GIB / speed / 3600, 1),
                "cores_busy": round(speed * (tls.hash_byte + tls.send_byte), 2),
                "buffers_gib": 0 if is_file else round(parts * part_size / GIB, 2),
                "cache_gib": round(parts * part_size / GIB, 2) if is_file else 0,
                "scarce": what,
                "gain_if_doubled": round(gain, 2),
            }
        )
    return found


def many_files(results: Results) -> list[dict[str, Any]]:
    """Return the cost of a million files of 16 KiB: one archive each, or in bundles of 32 MiB parts."""
    files, size = 1_000_000, 16 * KIB
    point = next(one for one in results.find("small_archives")["points"] if one["size"] == size)
    cpu = float(point["clients"]["aioglacier"]["cpu_ms_each"][0]) / 1000
    catalog = results.find("catalog_writes")
    record = 1 / float(catalog["merge_new"]["records_per_s"])
    costs = unit_costs(results, tls=True)
    found = []
    for name, round_trip, at_once in (
        ("one by one, 200 ms", 0.2, 16),
        ("one by one, in the region", 0.002, 16),
    ):
        waiting, working = files * round_trip / at_once, files * cpu
        found.append(
            {
                "case": name,
                "requests": files,
                "dollars": round(files * REQUEST_PRICE, 2),
                "minutes": round(max(waiting, working) / 60, 1),
                "scarce": "connections" if waiting > working else "the core of the event loop",
            }
        )
    total = files * size
    parts = total / (32 * MIB)
    sending = total * (costs.hash_byte + costs.send_byte)
    recording = files * record
    found.append(
        {
            "case": "in bundles",
            "requests": round(parts) + 2 * round(total / (4 * GIB)),
            "dollars": round((parts + 2 * total / (4 * GIB)) * REQUEST_PRICE, 2),
            "minutes": round((sending + recording) / 60, 1),
            "scarce": "the catalog's records" if recording > sending else "the core of the event loop",
        }
    )
    return found


def main() -> None:
    """Compute and print."""
    parser = turns.parser("scale", __doc__, rounds=1)
    options = parser.parse_args()
    results = Results()
    figures = {
        "unit_costs": {
            way: {
                "hash_s_per_gib": round(costs.hash_byte * GIB, 3),
                "send_s_per_gib": round(costs.send_byte * GIB, 3),
                "request_ms": round(costs.request * 1000, 3),
            }
            for way, costs in (
                ("plain", unit_costs(results, tls=False)),
                ("tls", unit_costs(results, tls=True)),
            )
        },
        "big_archives": big_archives(results, most=2 if options.quick else None),
        "many_files": many_files(results),
    }
    measure.publish("scale", figures)


if __name__ == "__main__":
    main()
