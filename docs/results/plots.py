"""Draws the pictures of ``claims.md`` from tables of the other pages: ``python docs/results/plots.py``."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from liafseq.tasks.report.drawing import draw_costs
from liafseq.tasks.report.plots import pareto
from liafseq.tasks.report.style import GREY, Look, Panel, looks_of, png
from liafseq.tasks.results import Spread
from liafseq.tasks.task import find

HERE = Path(__file__).parent
IMAGES = HERE.parent / "images"
ACCURACY = find("babi").metric

WIDEST = 12
"""Points to each side of a difference; one that is larger is written."""

Row = dict[str, str]
Points = dict[str, tuple[float, Spread]]


def table(page: str, heading: str) -> list[Row]:
    """The rows of the first table under a heading of a page, by the names of its columns."""
    text = (HERE / page).read_text(encoding="utf-8")
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    if section is None:
        raise ValueError(f"{page}: expected a heading {heading!r}")
    lines = re.findall(r"(?:^\|.*\n)+", section[1], re.M)[0].splitlines()
    head, _, *rows = ([cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, row, strict=True)) for row in rows]


def column(rows: list[Row], name: str) -> Row:
    """A column by the first one."""
    first = next(iter(rows[0]))
    return {row[first]: row[name] for row in rows}


def spread(text: str) -> Spread:
    """``77.1 ± 0.3`` in percent: the bar is one standard deviation to each side."""
    mean, *deviation = (float(part) / 100 for part in re.findall(r"[\d.]+", text))
    ends = (mean - deviation[0], mean + deviation[0]) if deviation else None
    return Spread(mean=mean, std=deviation[0] if deviation else None, interval=ends, values=(mean,))


def count(text: str) -> float:
    """``1,598 k``, ``0.105 M``, or the middle of ``20–21``."""
    parts = [float(part.replace(",", "")) for part in re.findall(r"[\d.,]+", text)]
    return sum(parts) / len(parts) * {"k": 1e3, "M": 1e6}.get(text[-1:], 1.0)


def looks(labels: list[str]) -> dict[str, Look]:
    return looks_of((label, label.partition(":")[0]) for label in labels)


def against(points: Points, cost: str, title: str) -> Panel:
    """Accuracy against a cost, and the front of those that nothing cheaper beats."""
    front = pareto({label: (cost, score.mean) for label, (cost, score) in points.items()})

    def draw(axis: Any) -> None:
        draw_costs(axis, cost, ACCURACY, points, front, looks([*points]))
        axis.set_title(title, loc="left")

    return Panel(draw, title, 4.6, 3.3, models=tuple(points))


def operations(rows: list[Row], name: str) -> Points:
    return {
        row["model"]: ((count(row["MAC"]) + count(row["AC"])) / 1e6, spread(row[name]))
        for row in rows
        if row["model"].startswith("conv") and "," not in row["model"]
    }


def stories() -> list[Panel]:
    points: Points = {}
    for heading in ("Seventeen tasks in ten epochs, the same search for every model", "With a gate"):
        rows = {row.pop("task"): row for row in table("babi.md", heading)}
        points |= {
            label: (1000 * count(text), spread(rows["mean"][label]))
            for label, text in rows["weights, k"].items()
        }
    return [against(points, "weights", "17 bAbI tasks, mean, ten epochs")]


def recordings() -> list[Panel]:
    digits = operations(table("events.md", "N-MNIST, real recordings"), "nmnist")
    gated = operations(table("events.md", "With a gate"), "gestures")
    gestures = operations(table("events.md", "Generated gestures"), "gestures") | gated
    cost = "million operations (MAC and AC)"
    return [against(digits, cost, "N-MNIST"), against(gestures, cost, "generated gestures")]


def differences() -> list[Panel]:
    """DA-LIF minus LIF, by data set, in points."""
    found: dict[str, tuple[Spread, Spread]] = {}
    means = table("babi.md", "Seventeen tasks in ten epochs, the same search for every model")
    pair = next(row for row in means if row["task"] == "mean")
    found["bAbI, 17 tasks"] = spread(pair["dalif"]), spread(pair["lif"])
    for name, page, heading, scores in [
        ("N-MNIST", "events.md", "N-MNIST, real recordings", "nmnist"),
        ("gestures", "events.md", "Generated gestures", "gestures"),
        ("gestures, recurrent", "events.md", "With a recurrent convolution", "gestures"),
        ("CIFAR-10, T = 2", "images.md", "The LIAF-Net", "T = 2"),
        ("CIFAR-10, T = 4", "images.md", "The LIAF-Net", "T = 4"),
        ("CIFAR-10, ResNet, T = 2", "images.md", "ResNet-20", "T = 2"),
        ("CIFAR-10, ResNet, T = 4", "images.md", "ResNet-20", "T = 4"),
    ]:
        by_model = column(table(page, heading), scores)
        found[name] = spread(by_model["conv-dalif"]), spread(by_model["conv-lif"])
    for row in table("panel.md", "Fifteen tasks"):
        if row["metric"] in ("accuracy", "F1") and row["task"] not in found:
            found[row["task"]] = spread(row["dalif"]), spread(row["lif"])

    def draw(axis: Any) -> None:
        axis.axvline(0, color=GREY, linewidth=1.0)
        shown = looks(["dalif"])["dalif"]
        for at, (ours, other) in enumerate(found.values()):
            middle = 100 * (ours.mean - other.mean)
            if ours.std is not None and other.std is not None:
                wide = 100 * math.hypot(ours.std, other.std)
                axis.plot([middle - wide, middle + wide], [at, at], color=shown.color, linewidth=4, alpha=0.3)
            axis.plot([middle], [at], **shown.line(markersize=7))
            if abs(middle) > WIDEST:
                side = "right" if middle > 0 else "left"
                axis.annotate(f" {middle:+.1f} ", (math.copysign(WIDEST, middle), at), ha=side, va="center")
        axis.set_yticks(range(len(found)), list(found))
        axis.set_ylim(len(found) - 0.4, -0.6)
        axis.set_xlim(-WIDEST, WIDEST)
        axis.grid(axis="x")
        axis.set_xlabel("DA-LIF minus LIF, test accuracy or F1 in points")

    return [Panel(draw, "DA-LIF minus LIF", 6.0, 0.6 + 0.24 * len(found))]


def steps() -> list[Panel]:
    rows = table("appendix/events.md", "Steps and compression")
    at = [int(row["T"]) for row in rows]

    def draw(axis: Any) -> None:
        for name, dashes, marker in zip(list(rows[0])[1:], ["-", "--", ":"], "os^", strict=True):
            runs = [[float(part) for part in re.findall(r"[\d.]+", row[name])[:2]] for row in rows]
            axis.plot(at, [sum(pair) / 2 for pair in runs], dashes, marker=marker, label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(at, [str(steps) for steps in at])
        axis.set_ylim(80, 100)
        axis.grid(axis="y")
        axis.set_xlabel("steps T")
        axis.set_ylabel("test accuracy (%)")
        axis.set_title("N-MNIST, conv-liaf", loc="left")
        axis.legend()

    return [Panel(draw, "accuracy by the number of steps", 4.6, 3.0)]


PICTURES = {"stories": stories, "recordings": recordings, "differences": differences, "steps": steps}


def main(folder: Path = IMAGES) -> None:
    for name, panels_of in PICTURES.items():
        panels = panels_of()
        labels = list(dict.fromkeys(label for panel in panels for label in panel.models))
        (folder / f"claim-{name}.png").write_bytes(png(panels, columns=2, legend=looks(labels)))


if __name__ == "__main__":
    main()
