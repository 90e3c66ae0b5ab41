"""Plots as SVG, legible on light and dark pages: no background, and grey text; needs matplotlib."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.peers import Samples
    from benchmarks.scale import Growth, Points

GREY, OURS, OTHERS, BARE = "#7f7f7f", "#2a9d5c", "#4a90d9", "#b0793a"
mpl.rc("svg", fonttype="none", hashsalt="fallback-roots")
mpl.rc("font", size=9)
mpl.rc("text", color=GREY)
mpl.rc("axes", edgecolor=GREY, labelcolor=GREY)
mpl.rc("axes.spines", top=False, right=False)
mpl.rc("xtick", color=GREY)
mpl.rc("ytick", color=GREY)


def save(figure: "Figure", path: Path) -> None:
    """The same figures give the same file."""
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def colour(side: str) -> str:
    return BARE if side == "bare" else OURS if side.startswith("fallback-roots") else OTHERS


def peers(samples: "Samples", machines: Sequence[str], sides: Sequence[str], columns: Sequence[str], path: Path) -> None:
    """A panel for each machine and column: the medians in milliseconds, a bar for each side."""
    shape = len(machines), len(columns)
    figure, panels = plt.subplots(*shape, figsize=(11, 5.2), sharey=True, sharex="col", layout="constrained")
    for row, machine in zip(panels, machines, strict=True):
        for panel, column in zip(row, columns, strict=True):
            for place, side in enumerate(reversed(sides)):
                cell = samples.get((machine, side, column))
                if cell:
                    panel.barh(place, statistics.median(cell.values()), color=colour(side), height=0.7)
                else:
                    panel.text(0, place, " verifies nothing", va="center", fontsize=7)
            panel.set_yticks(range(len(sides)), reversed(sides))
            panel.tick_params(length=0)
        row[0].set_title(machine, loc="left", fontweight="bold")
    for panel, column in zip(panels[-1], columns, strict=True):
        panel.set_xlabel(f"{column.strip('`')} (ms)")
    save(figure, path)


def scale(series: "dict[Growth, dict[str, Points]]", path: Path) -> None:
    """A panel for each thing that grows, and a line for each side in it."""
    figure, panels = plt.subplots(1, len(series), figsize=(11, 3.2), layout="constrained")
    for panel, (growth, lines) in zip(panels, series.items(), strict=True):
        for mark, (name, points) in zip("osD^v", lines.items(), strict=False):
            panel.plot(*zip(*points, strict=True), marker=mark, markersize=4, label=name)
        panel.set(xscale="log", yscale="log", xlabel=growth.by, ylabel=growth.what)
        panel.set_xticks(growth.sizes, growth.sizes)
        panel.minorticks_off()
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=7, frameon=False)
    save(figure, path)
