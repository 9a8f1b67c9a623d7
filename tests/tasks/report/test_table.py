"""The table of a study, its notes and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from liafseq.tasks import models
from liafseq.tasks import task as tasks
from liafseq.tasks.report import plots
from liafseq.tasks.report.columns import notes, study_table
from liafseq.tasks.report.style import look, looks_of
from liafseq.tasks.report.write import table_text, write_report
from liafseq.tasks.results import Study
from liafseq.tasks.task import ACCURACY, Metric, Task

from .made_up import cost, failed, finished, made_up, study_of, write_log

LAYERS = models.known(["layer"])


def one_seed() -> Study:
    runs = [
        finished("liaf", "task 1", 0, 0.9974, parameters=29_001),
        finished("liaf", "task 6", 0, 0.5, parameters=29_006),
        finished("gru", "task 1", 0, 1.0, parameters=29_001),
        failed("gru", "task 6", 0, "ValueError: a | b <c>"),
    ]
    return study_of(runs, floor={"task 1": 0.181, "task 6": 0.5})


def three_seeds() -> Study:
    values = enumerate((0.94, 0.95, 0.96))
    return study_of([finished("gru", "task 1", seed, value, parameters=29_001) for seed, value in values])


class Rolls(Task[Any, Any]):
    """A task that is judged by a figure that is better when it is small, and by a second one."""

    name, title, word = "rolls", "piano rolls", "rolls"
    Config = tasks.Config
    metrics = (
        Metric(
            "nll",
            lambda sums: sums.loss,
            title="negative log-likelihood",
            unit="nats",
            higher_is_better=False,
        ),
        Metric("mse", lambda sums: sums.loss, title="squared error", digits=3),
    )


@pytest.fixture
def rolls(monkeypatch: pytest.MonkeyPatch) -> Task[Any, Any]:
    find = tasks.find
    monkeypatch.setattr(tasks, "find", lambda name: Rolls() if name == "rolls" else find(name))
    return Rolls()


def test_table_of_one_seed() -> None:
    table = study_table(one_seed())
    assert table.header == ("model", "task 1", "task 6", "mean", "solved", "weights", "training")
    assert table.rows == (
        ("liaf", "99.7", "50.0", "74.9", "1/2", "29,001 to 29,006", "1 min 20 s"),
        ("gru", "100.0", "failed", "-", "-", "29,001", "-"),
    )


def test_table_of_three_seeds() -> None:
    table = study_table(three_seeds())
    assert table.header == ("model", "task 1", "solved", "weights", "training")
    assert table.rows == (("gru", "95.0 ± 1.0", "0.7/1", "29,001", "40.0 s"),)
    assert study_table(three_seeds(), ascii_only=True).rows[0][1] == "95.0 +- 1.0"


@pytest.mark.usefixtures("rolls")
def test_a_table_of_other_metrics() -> None:
    runs = [
        finished(model, "jsb", 0, value, metrics=["nll", "mse"], examples=(800, 100, 50))
        for model, value in (("gru", 8.5), ("lif", 9.0))
    ]
    study = study_of(runs, task="rolls", about="chorales")
    table = study_table(study)
    assert table.header == ("model", "jsb", "mse", "weights", "training")
    assert table.rows[0][:3] == ("gru", "8.50", "8.500")
    text = " ".join(notes(study))
    assert text.startswith("Test negative log-likelihood in nats, one seed; mse: squared error; training")
    assert "Chorales; 900 rolls per run for training and validation, 50 for test; 10 epochs" in text
    for word in ("accuracy", "percent", "questions", "solved"):
        assert word not in text


def test_the_note_tells_the_questions_there_were_not_those_asked_for() -> None:
    runs = [
        finished("gru", "task 1", 0, 0.9, examples=(8_100, 900, 1_000)),
        finished("gru", "task 3", 0, 0.9, examples=(810, 90, 100)),
    ]
    text = " ".join(notes(study_of(runs)))
    assert (
        "900 to 9,000 questions per run for training and validation, 100 to 1,000 for test per part" in text
    )


def test_costs_stand_beside_the_accuracy() -> None:
    study = made_up(["task 1"], seeds=1)
    table = study_table(study)
    assert table.header == (
        "model", "task 1", "solved", "weights", "MAC", "AC", "energy", "firing rate", "crossing rate",
        "training",
    )  # fmt: skip
    assert [row[6:9] for row in table.rows] == [
        ("4.00 µJ", "-", "0.2"), ("0.900 µJ", "0.2", "-"), ("13.0 µJ", "-", "-"),
    ]  # fmt: skip
    assert all(cell.isascii() for row in study_table(study, ascii_only=True).rows for cell in row)
    assert any("4.6 pJ" in line and "per neuron and step" in line for line in notes(study))
    assert "MAC" not in "".join(notes(made_up(["task 1"], seeds=1, costs=False)))


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([614_400.0, 2_457_600.0, 0.0], ["0.614 M", "2.46 M", "0"]),
        ([61_400.0, 2_457_600.0], ["61.4 k", "2,458 k"]),
        ([12.0, 2_000.0], ["12.0", "2,000"]),
        ([3.2e9, 1.5e6], ["3,200 M", "1.50 M"]),
        ([0.0], ["0"]),
    ],
)
def test_a_column_has_one_unit(values: list[float], cells: list[str]) -> None:
    costs = [cost(macs=value) for value in values]
    runs = [finished(f"model {at}", "task 1", 0, 0.5, costs=one) for at, one in enumerate(costs)]
    table = study_table(study_of(runs))
    assert [row[table.header.index("MAC")] for row in table.rows] == cells


def test_units_of_energy() -> None:
    costs = [cost(energy_nj=2826.24), cost(energy_nj=11_305.0), None]
    study = study_of([finished(f"model {at}", "task 1", 0, 0.5, costs=one) for at, one in enumerate(costs)])
    at = study_table(study).header.index("energy")
    assert [row[at] for row in study_table(study).rows] == ["2.83 µJ", "11.3 µJ", "-"]
    assert study_table(study, ascii_only=True).rows[0][at] == "2.83 uJ"


def test_transposed_table_has_the_same_cells() -> None:
    table = study_table(one_seed())
    turned = table.transposed()
    assert turned.header == ("model", "liaf", "gru")
    assert list(zip(turned.header, *turned.rows, strict=True)) == [table.header, *table.rows]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3_599.4, "59 min 59 s"),
        (3_660.0, "1 h 01 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert study_table(study_of([finished("gru", "task 1", 0, 1.0, seconds=seconds)])).rows[0][-1] == text


def test_notes_say_what_the_figures_are() -> None:
    lines = notes(one_seed())
    first = "Test accuracy in percent, one seed; solved: tasks with at most 5% error; training"
    assert lines[0].startswith(first)
    assert "without the first step" in lines[0]
    assert "Always the most frequent answer: 18.1 (task 1), 50.0 (task 6)." in lines
    assert (
        "Generated bAbI questions; 1,000 questions per run for training and validation, 1,000 for test per "
        "part; 10 epochs; hidden size 64."
    ) in lines
    assert lines[-1] == "Failed: gru, task 6, seed 0: ValueError: a | b <c>"
    assert "mean ± standard deviation over 3 seeds" in notes(three_seeds())[0]
    assert all(line.isascii() for line in notes(three_seeds(), ascii_only=True))


def test_notes_name_hidden_sizes_that_differ() -> None:
    runs = [finished("liaf", "task 1", 0, 0.9), finished("gru", "task 1", 0, 0.9, hidden_size=36)]
    assert "hidden sizes: liaf 64, gru 36" in "\n".join(notes(study_of(runs, settings={"epochs": 10})))


def test_plain_table_is_aligned_ascii() -> None:
    text = study_table(three_seeds(), ascii_only=True).plain()
    first, second = text.splitlines()
    assert text.isascii()
    assert len(first) == len(second)
    assert second == "gru    95.0 +- 1.0   0.7/1   29,001    40.0 s"


def test_markdown() -> None:
    text = table_text(one_seed())
    lines = text.splitlines()
    assert lines[0] == "| model | task 1 | task 6 | mean | solved | weights | training |"
    assert lines[1] == "|:---|---:|---:|---:|---:|---:|---:|"
    assert lines[2] == "| liaf | 99.7 | 50.0 | 74.9 | 1/2 | 29,001 to 29,006 | 1 min 20 s |"
    assert "Columns: task 1: single supporting fact; task 6: yes no questions." in lines
    assert "a \\| b \\<c\\>" in lines[-1]


def test_report_files(tmp_path: Path) -> None:
    study = one_seed()
    for run in study.runs:
        write_log(tmp_path / run.key, [0.1, 0.2, 0.3])
    files = write_report(study, tmp_path)
    assert [path.name for path in files] == [
        "report.html", "report.md", "accuracy.png", "learning-curves.png", "table.md",
    ]  # fmt: skip
    assert files[-1].read_text(encoding="utf-8") == table_text(study)
    for path in files:
        assert path.suffix != ".png" or path.read_bytes().startswith(b"\x89PNG\r\n")


def test_without_a_finished_run_there_is_no_picture(tmp_path: Path) -> None:
    files = write_report(study_of([failed("gru", "task 1", 0)]), tmp_path)
    assert [path.name for path in files] == ["report.html", "report.md", "table.md"]


@pytest.mark.parametrize("parts", [1, 2, 6, 20])
def test_plots_keep_their_texts_apart(parts: int) -> None:
    """No label of a model, figure beside it or title of a panel runs into its neighbour."""
    names = [f"task {number}" for number in range(1, parts + 1)]
    runs = [
        finished(model, name, seed, 0.97 + 0.03 * seed)
        for model in LAYERS
        for name in names
        for seed in (0, 1)
    ]
    titles = {name: f"{name}: two argument relations and more" for name in names}
    study = study_of(runs, parts=names).model_copy(update={"parts": titles})
    panels = plots.score_panels(study, ACCURACY)
    assert len(panels) == parts + (parts > 1)
    for panel in panels[:3]:
        figure = drawn(panel)
        (axis,) = figure.axes
        renderer = figure._get_renderer()  # type: ignore[attr-defined]
        labels = [axis.title, *axis.get_yticklabels(), *axis.texts, axis._left_title]  # type: ignore[attr-defined]
        boxes = [label.get_window_extent(renderer) for label in labels if label.get_text()]
        assert len(boxes) == 1 + 2 * len(LAYERS)
        for at, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[at + 1 :])
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


def drawn(panel: Any) -> Figure:
    figure = Figure(figsize=(panel.width, panel.height), dpi=130, layout="constrained")
    panel.draw(figure.subplots())
    figure.draw_without_rendering()
    return figure


def test_curves_are_means_over_seeds(tmp_path: Path) -> None:
    study = three_seeds()
    for run, curve in zip(study.runs, ([0.2, 0.5, 0.8], [0.4, 0.7], [0.6, 0.6, 0.9]), strict=True):
        write_log(tmp_path / run.key, curve)
    curves, _ = plots.curves_of(study, tmp_path, ACCURACY)
    (panel,) = plots.curve_panels(study, curves, ACCURACY)
    (line,) = drawn(panel).axes[0].lines
    assert list(line.get_xdata()) == [1, 2, 3]
    # The second run stopped after two epochs and counts with its last value.
    assert list(line.get_ydata()) == pytest.approx([40.0, 60.0, 80.0])
    assert plots.curves_of(study, tmp_path / "elsewhere", ACCURACY) == ({}, [])


def test_models_at_the_same_point_stand_side_by_side() -> None:
    runs = [
        finished(model, "task 1", 0, value) for model, value in (("liaf", 0.9), ("lif", 0.9), ("gru", 0.5))
    ]
    (panel,) = plots.cost_panels(study_of(runs), ACCURACY)
    assert plots.SHIFTED in panel.shows
    axis = drawn(panel).axes[0]
    at = {
        str(line.get_label()): line.get_transform().transform((line.get_xdata()[0], line.get_ydata()[0]))
        for line in axis.lines
        if line.get_label() in ("liaf", "lif", "gru")
    }
    assert abs(at["liaf"][0] - at["lif"][0]) > 15  # pixels: a marker is 14 wide
    assert at["liaf"][1] == pytest.approx(at["lif"][1])
    assert panel.models == ("liaf", "lif", "gru")


def test_the_scale_of_a_plot_is_that_of_the_metric(rolls: Task[Any, Any]) -> None:
    runs = [
        finished(model, "jsb", seed, value + 0.1 * seed, metrics=["nll", "mse"])
        for model, value in (("gru", 8.5), ("lif", 9.0)) for seed in (0, 1)
    ]  # fmt: skip
    study = study_of(runs, task="rolls")
    metric = rolls.metric
    (panel,) = plots.score_panels(study, metric)
    axis = drawn(panel).axes[0]
    assert axis.get_xlabel() == "test negative log-likelihood (nats)"
    assert axis.get_xlim()[0] < 8.5 < 9.1 < axis.get_xlim()[1]
    (costs,) = plots.cost_panels(study, metric)
    assert costs.alt.endswith("On the Pareto front: gru.")


def test_each_model_has_a_colour_of_its_own() -> None:
    colours = [look(name).color for name in LAYERS]
    assert len(set(colours)) == len(colours)
    assert look("no such model").color not in colours


LABELS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "all models": lambda: [(name, name) for name in models.known()],
    "settings of two models": lambda: [
        (f"{name} {at}", name) for name in ("liaf", "conv-liaf", "gru") for at in range(6)
    ],
    "models of other packages": lambda: [
        (f"some.package:Class{at}", "some.package:Class") for at in range(3)
    ],
}


@pytest.mark.parametrize("named", LABELS.values(), ids=LABELS)
def test_no_two_models_look_alike_even_without_colour(named: Callable[[], list[tuple[str, str]]]) -> None:
    labels = named()
    shown = looks_of(labels)
    assert len({(one.marker, one.fill, str(one.dashes)) for one in shown.values()}) == len(labels)
    assert len({one.color for one in shown.values()}) >= len(labels) / 2
