"""The style of plots: aioglacier in colour, others in grey, each line labelled at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OURS: Final = "#0b7a75"
OURS_LIGHT: Final = "#7fb8b4"
ACCENT: Final = "#d9822b"
INK: Final = "#22303c"
GREY: Final = "#8c959f"
PALE: Final = "#c9cfd6"
GRID: Final = "#e8ebee"

#: The name, colour and line of each client.
STYLES: Final[dict[str, tuple[str, str, str]]] = {
    "aioglacier": ("aioglacier", OURS, "-"),
    "aioglacier+hashlib": ("aioglacier, hashlib", OURS_LIGHT, "-"),
    "aioglacier+threads": ("aioglacier, threads", OURS_LIGHT, "-"),
    "aioglacier+uvloop": ("aioglacier, uvloop", OURS, "-"),
    "aiohttp": ("bare aiohttp", INK, "--"),
    "floor": ("floor, hashlib", INK, "--"),
    "floor+native": ("floor", INK, "--"),
    "boto3": ("boto3, 4 threads", GREY, "-"),
    "boto3+sequential": ("boto3, one by one", GREY, "-"),
    "boto3+combined": ("boto3, 4 threads, own tree hash", GREY, "-"),
    "aiobotocore": ("aiobotocore, gather 4", GREY, "-"),
    "glacier_upload": ("glacier_upload, 4 threads", GREY, "-"),
    "aws-cli": ("AWS CLI, one request", GREY, "-"),
}

_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "aioglacier",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": PALE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 1.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 2.2,
    "lines.markersize": 5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def new(
    title: str, note: str, *, panels: int = 1, height: float = 3.9, **more: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of page width, with its message above and its command below."""
    mpl.use("agg")
    mpl.rcParams.update(_STYLE)
    figure, axes = plt.subplots(1, panels, figsize=(8.6, height), layout="constrained", squeeze=False, **more)
    figure.suptitle(title, x=0.012, ha="left", fontsize=12.5, fontweight="bold", color=INK)
    figure.supxlabel(note, x=0.012, ha="left", fontsize=8, color=GREY)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08, wspace=0.06)
    return figure, list(axes[0])


def save(figure: Figure, path: Path) -> None:
    """Write SVG and PNG files; equal figures give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
    figure.savefig(path.with_suffix(".png"), dpi=180, metadata={"Software": None})
    plt.close(figure)


def line(axes: Axes, name: str, points: Iterable[tuple[float, float]], label: str | None = None) -> Any:
    """Draw one client's curve; return the arguments of ``name_ends``."""
    text, color, dashes = STYLES[name]
    x, y = zip(*points, strict=True)
    is_ours = color == OURS
    (drawn,) = axes.plot(
        x,
        y,
        dashes,
        color=color,
        marker=None if dashes == "--" else "o",
        linewidth=2.6 if is_ours else 1.4 if dashes == "--" else 1.8,
        zorder=3 if is_ours else 2,
        clip_on=False,
    )
    return drawn, label or text


def name_ends(axes: Axes, drawn: Sequence[tuple[Any, str]], *, gap: float = 0.075) -> None:
    """Label each line at its end, with readable distances."""
    to_axes = axes.transData + axes.transAxes.inverted()
    last = max(made.get_xdata()[-1] for made, _ in drawn)
    at = -1.0
    ordered = sorted(drawn, key=lambda one: float(one[0].get_ydata()[-1]))
    for made, text in ordered:
        end = (made.get_xdata()[-1], made.get_ydata()[-1])
        x, y = to_axes.transform(end)
        looks = {
            "color": made.get_color(),
            "fontweight": "bold" if made.get_color() == OURS else "normal",
            "fontsize": 9,
        }
        if end[0] < last:
            is_lowest = made is ordered[0][0]
            place, ha = ((8, -3), "left") if is_lowest else ((4, 8), "right")
            axes.annotate(text, end, xytext=place, textcoords="offset points", ha=ha, **looks)
            continue
        at = max(at + gap, float(y))
        axes.text(float(x) + 0.025, at, text, transform=axes.transAxes, va="center", clip_on=False, **looks)


def log2(axes: Axes, values: Sequence[float], labels: Sequence[str]) -> None:
    """Use a logarithmic horizontal axis with base 2."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, labels)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def thousands(axes: Axes) -> None:
    """Format numbers on the vertical axis like 1,000."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def bars(axes: Axes, rows: Sequence[tuple[str, float, float, float]], *, form: str = "{:.2f}") -> None:
    """Draw one bar for each client with its figure, and a thin line from minimum to maximum."""
    longest = max(high for _, _, _, high in rows)
    for at, (name, value, low, high) in enumerate(rows):
        color = STYLES[name][1]
        fill = PALE if color == GREY else color
        axes.barh(
            at,
            value,
            color="white" if name.startswith("floor") else fill,
            height=0.62,
            edgecolor=INK if name.startswith("floor") else fill,
            linewidth=1.0,
        )
        axes.plot([low, high], [at, at], color=INK, linewidth=1.0, alpha=0.7)
        axes.text(
            max(value, high) + longest * 0.02,
            at,
            form.format(value),
            va="center",
            fontsize=9,
            fontweight="bold" if color == OURS else "normal",
            color=OURS if color == OURS else INK,
        )
    axes.set_yticks(range(len(rows)), [STYLES[name][0] for name, *_ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.16)
    axes.grid(visible=False)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=PALE, linewidth=0.8)
