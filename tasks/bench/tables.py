"""The rows of a benchmark as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from liafseq.tasks.bench.peers import PEERS

__all__ = ["first_call_table", "heading", "memory_table", "notes", "problems", "speed_table"]

Row = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]
FLOOR = "floor"
BASELINE = "gru"
OTHERS = ("lstm", "rnn")


def heading(row: Row) -> str:
    """What a group of rows has in common, in a line.

    >>> shape = {"batch": 2, "steps": 3, "inputs": 4, "hidden": 5}
    >>> heading({"mode": "training", "shape": shape})
    'training, batch 2, steps 3, input 4, hidden 5'
    """
    shape = row["shape"]
    sizes = (
        f"batch {shape['batch']}, steps {shape['steps']}, input {shape['inputs']}, hidden {shape['hidden']}"
    )
    return f"{row['mode']}, {sizes}" if "mode" in row else sizes


def speed_table(rows: Sequence[Row]) -> Table:
    """One shape and mode: milliseconds, ratios, and how the check went. Wrong rows have no figures."""
    present = {row["model"] for row in rows if row["status"] == "ok"}
    others = [name for name in OTHERS if name in present] + ["peer"] * bool(present & set(PEERS))
    against = [f"x {BASELINE}", "quartiles", *(f"x {name}" for name in others), "/ floor", "quartiles"]
    return ["model", "ms", *against, "firing", "deviation"], [_line(row, others) for row in rows]


def _line(row: Row, others: Sequence[str]) -> list[str]:
    name = row["model"]
    firing = f"{100 * row['firing_rate']:.1f}%" if "firing_rate" in row else ""
    deviation = _deviation(row)
    if row["status"] != "ok":
        return [name, row["status"].upper(), *[""] * (4 + len(others)), firing, deviation]
    against = row["ratios"]
    gru, floor = against.get(BASELINE), against.get(FLOOR)
    line = [name, milliseconds(row["seconds"]["median"])]
    if gru is None:
        line += ["1.00" if name == BASELINE else "", ""]
    else:
        line += [figure(gru["median"]), f"{figure(gru['q1'])}-{figure(gru['q3'])}"]
    line += [_against(other, row) for other in others]
    if floor is None:
        line += ["1.00", ""]
    else:
        # as often slower as the floor is faster; the quartiles change places
        line += [figure(1 / floor["median"]), f"{figure(1 / floor['q3'])}-{figure(1 / floor['q1'])}"]
    return [*line, firing, deviation]


def _against(other: str, row: Row) -> str:
    name, against = row["model"], row["ratios"]
    if other == "peer":
        found = [against[peer]["median"] for peer in PEERS if peer in against and name not in PEERS]
        return figure(min(found)) if found and name != FLOOR else ""
    return "1.00" if name == other else figure(against[other]["median"])


def _deviation(row: Row) -> str:
    check = row.get("check")
    if check is None:
        return ""
    return "infinite" if check["deviation"] is None else f"{check['deviation']:.0e}"


def figure(value: float) -> str:
    """Three digits.

    >>> figure(0.7312), figure(4.526), figure(31.04), figure(250.2)
    ('0.73', '4.53', '31.0', '250')
    """
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:.4f}" if value < 0.1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def problems(rows: Sequence[Row]) -> list[str]:
    """A line for each row that has no speed."""
    lines = []
    for row in rows:
        if row["status"] == "wrong":
            check = row["check"]
            lines.append(
                f"{row['model']} WRONG ({heading(row)}): {check['where']} deviates from the reference "
                f"by {_deviation(row)}; no speed is given"
            )
        elif row["status"] != "ok":
            lines.append(f"{row['model']} {row['status'].upper()} ({heading(row)}): {row['error']}")
    return lines


def notes(described: Mapping[str, Any], rounds: int) -> list[str]:
    """What the columns mean and where they were measured."""
    machine, tolerance = described["machine"], described["tolerance"]
    versions = ", ".join(f"{name} {number}" for name, number in described["versions"].items() if number)
    return [
        f"ms: median of {rounds} rounds. x gru: how many times as fast as nn.GRU; of each round the ratio,",
        "of the rounds the median and its quartiles. x peer: the same against the fastest other package.",
        "/ floor: time over that of the matrix products alone. firing: spikes a neuron and step. deviation:",
        f"largest from the reference, relative; allowed are {tolerance['output']:g} (outputs, states) and "
        f"{tolerance['gradient']:g}",
        "(gradients); torch's layers and other packages are not checked.",
        f"{described['config']['dtype']}; {machine['device']}, {machine['processor']}, {machine['threads']} "
        f"threads of {machine['cores']} cores; {versions}.",
    ]


def memory_table(rows: Sequence[Row]) -> Table:
    """Memory of a training step at one shape, in MiB and against nn.GRU."""
    base = next((row["extra_bytes"] for row in rows if row["model"] == BASELINE), None)
    lines = []
    for row in rows:
        kept = row["kept_bytes"]
        lines.append(
            [
                row["model"],
                f"{row['extra_bytes'] / 2**20:.1f}",
                f"{row['extra_bytes'] / base:.2f}" if base else "",
                "" if kept is None else f"{kept / 2**20:.1f}",
            ]
        )
    return ["model", "extra MiB", "of gru", "kept MiB"], lines


def first_call_table(rows: Sequence[Row]) -> Table:
    """The first training step of a process, in seconds."""
    lines = [
        [row["model"], *(f"{row['seconds'][key]:.{digits}f}" for key, digits in
                         (("empty_cache", 2), ("filled_cache", 2), ("later", 4)))]
        for row in rows
    ]  # fmt: skip
    return ["model", "first step s", "cache filled s", "later s"], lines
