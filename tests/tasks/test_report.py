"""The table and the plots of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks import plots
from liafseq.tasks.models import model_names
from liafseq.tasks.report import markdown, notes, plain_table, table, write_report
from liafseq.tasks.study import summarise

from .made_up import made_up

TITLES = {1: "single-supporting-fact", 6: "yes-no-questions"}


def row(model: str, task: int, seed: int, accuracy: float | None, seconds: float = 40.0) -> dict[str, Any]:
    base = {"run": f"{model}-{task}-{seed}", "model": model, "tasks": [task], "seed": seed, "hidden_size": 64}
    if accuracy is None:
        return {**base, "status": "failed", "error": "ValueError: a | b <c>"}
    more = {
        "accuracy": {str(task): accuracy},
        "parameters": 29_000 + task,
        "time": {"train_seconds": seconds},
    }
    return {**base, "status": "finished", **more}


def results(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    settings = {"source": "generated", "questions": 2_000, "epochs": 10, "hidden_size": 64}
    return {"settings": settings, "runs": rows, "summary": summarise(rows), **more}


def epoch_line(epoch: int, accuracy: float) -> dict[str, Any]:
    return {"epoch": epoch, "loss": 1.0, "valid_loss": 1.0, "valid_accuracy": accuracy}


def one_seed() -> dict[str, Any]:
    rows = [row("liaf", 1, 0, 0.9974), row("liaf", 6, 0, 0.5), row("gru", 1, 0, 1.0), row("gru", 6, 0, None)]
    return results(rows, baseline={"1": 0.181, "6": 0.5})


def three_seeds() -> dict[str, Any]:
    return results([row("gru", 1, seed, accuracy) for seed, accuracy in enumerate((0.94, 0.95, 0.96))])


def test_table_of_one_seed() -> None:
    header, rows = table(one_seed())
    assert header == ["model", "task 1", "task 6", "mean", "solved", "weights", "training"]
    assert rows == [
        ["liaf", "99.7", "50.0", "74.9", "1/2", "29,001 to 29,006", "1 min 20 s"],
        ["gru", "100.0", "failed", "-", "-", "29,001", "-"],
    ]


def test_table_of_three_seeds() -> None:
    assert table(three_seeds()) == (
        ["model", "task 1", "solved", "weights", "training"],
        [["gru", "95.0 ± 1.0", "0.7/1", "29,001", "40.0 s"]],
    )
    assert table(three_seeds(), plus_minus="+-")[1][0][1] == "95.0 +- 1.0"


def test_the_note_tells_the_questions_there_were_not_those_asked_for() -> None:
    rows = [row("gru", task, 0, 0.9) for task in (1, 3)]
    rows[0]["questions"] = {"train": 8_100, "valid": 900, "test": {"1": 1_000}}
    rows[1]["questions"] = {"train": 810, "valid": 90, "test": {"3": 100}}
    text = " ".join(notes(results(rows)))
    assert "900 to 9,000 for training and validation a task" in text
    assert "2,000 for training and validation a task" in " ".join(notes(one_seed()))


def test_costs_stand_beside_the_accuracy() -> None:
    found = made_up([1], seeds=1)
    header, rows = table(found)
    assert header == ["model", "task 1", "solved", "weights", "MAC", "AC", "energy", "training"]
    assert [row[-2] for row in rows] == ["4.00 µJ", "0.900 µJ", "13.0 µJ"] or rows[1][-2] == "900 nJ"
    assert all(cell.isascii() for row in table(found, plus_minus="+-")[1] for cell in row)
    assert any("4.6 pJ a multiply-accumulate" in line for line in notes(found))
    assert "MAC" not in "".join(notes(made_up([1], seeds=1, costs=False)))


def test_transposed_table_has_the_same_cells() -> None:
    header, rows = table(one_seed())
    turned = table(one_seed(), transpose=True)
    assert turned[0] == ["model", "liaf", "gru"]
    assert [list(column) for column in zip(*[turned[0], *turned[1]], strict=True)] == [header, *rows]


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
    assert table(results([row("gru", 1, 0, 1.0, seconds)]))[1][0][-1] == text


def test_notes_say_what_the_figures_are() -> None:
    lines = notes(one_seed())
    assert "one seed" in lines[0]
    assert "Always the most frequent answer: 18.1 (task 1), 50.0 (task 6)." in lines
    assert (
        "Generated questions; 2,000 for training and validation a task; 10 epochs; hidden size 64." in lines
    )
    assert lines[-1] == "Failed: gru, task 6, seed 0: ValueError: a | b <c>"
    assert "mean ± standard deviation over 3 seeds" in notes(three_seeds())[0]


def test_notes_name_hidden_sizes_that_differ() -> None:
    found = results([row("liaf", 1, 0, 0.9), {**row("gru", 1, 0, 0.9), "hidden_size": 36}])
    del found["settings"]["hidden_size"]
    assert "hidden sizes: liaf 64, gru 36" in "\n".join(notes(found))


def test_plain_table_is_aligned_ascii() -> None:
    text = plain_table(*table(three_seeds(), plus_minus="+-"))
    first, second = text.splitlines()
    assert text.isascii()
    assert len(first) == len(second)
    assert second == "gru    95.0 +- 1.0   0.7/1   29,001    40.0 s"


def test_markdown() -> None:
    text = markdown(one_seed(), TITLES)
    lines = text.splitlines()
    assert lines[0] == "| model | task 1 | task 6 | mean | solved | weights | training |"
    assert lines[1] == "|:---|---:|---:|---:|---:|---:|---:|"
    assert lines[2] == "| liaf | 99.7 | 50.0 | 74.9 | 1/2 | 29,001 to 29,006 | 1 min 20 s |"
    assert "Tasks: 1 single supporting fact, 6 yes no questions." in lines
    assert "a \\| b \\<c>" in lines[-1]


def test_report_files(tmp_path: Path) -> None:
    found = one_seed()
    for entry in found["runs"]:
        (tmp_path / entry["run"]).mkdir()
        lines = [json.dumps(epoch_line(epoch, epoch / 10)) for epoch in (1, 2, 3)]
        (tmp_path / entry["run"] / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    files = write_report(found, tmp_path, TITLES)
    assert [path.name for path in files] == [
        "table.md", "accuracy.png", "learning-curves.png", "report.html", "report.md", "report-curves.png",
        "report-accuracy.png",
    ]  # fmt: skip
    assert files[0].read_text(encoding="utf-8") == markdown(found, TITLES)
    for path in files:
        assert path.suffix != ".png" or path.read_bytes().startswith(b"\x89PNG\r\n")


def test_without_a_finished_run_there_is_no_picture(tmp_path: Path) -> None:
    files = write_report(results([row("gru", 1, 0, None)]), tmp_path)
    assert [path.name for path in files] == ["table.md", "report.html", "report.md"]


@pytest.mark.parametrize("tasks", [1, 2, 6, 20])
def test_plots_keep_their_texts_apart(tasks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No label of a model, figure above a bar or title of a panel runs into its neighbour."""
    figures = []
    original = plots._png
    monkeypatch.setattr(plots, "_png", lambda figure: figures.append(figure) or original(figure))
    numbers = range(1, tasks + 1)
    rows = [
        row(model, task, seed, 0.97 + 0.03 * seed)
        for model in model_names()
        for task in numbers
        for seed in (0, 1)
    ]
    titles = dict.fromkeys(numbers, "two-argument-relations-and-more")
    plots.accuracy_plot(results(rows, baseline={str(number): 0.5 for number in numbers}), titles)
    (figure,) = figures
    renderer = figure._get_renderer()
    boxes = []
    for axis in figure.axes:
        if axis.get_visible():
            labels = [axis.title, *axis.get_xticklabels(), *axis.texts]
            boxes += [label.get_window_extent(renderer) for label in labels if label.get_text()]
    assert len(boxes) == tasks * (1 + 2 * len(model_names()))
    for at, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[at + 1 :])
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_curves_are_means_over_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(plots, "_png", lambda figure: figures.append(figure) or b"")
    found = three_seeds()
    for entry, curve in zip(found["runs"], ([0.2, 0.5, 0.8], [0.4, 0.7], [0.6, 0.6, 0.9]), strict=True):
        (tmp_path / entry["run"]).mkdir()
        text = "".join(json.dumps(epoch_line(at, value)) + "\n" for at, value in enumerate(curve, 1))
        (tmp_path / entry["run"] / "metrics.jsonl").write_text(text)
    plots.curves_plot(found, tmp_path, TITLES)
    (line,) = figures[0].axes[0].lines
    assert list(line.get_xdata()) == [1, 2, 3]
    # The second run stopped after two epochs and counts with its last value.
    assert list(line.get_ydata()) == pytest.approx([40.0, 60.0, 80.0])
    assert plots.curves_plot(found, tmp_path / "elsewhere") is None


def test_each_model_has_a_colour_of_its_own() -> None:
    colours = [plots.colour(name) for name in model_names()]
    assert len(set(colours)) == len(colours)
    assert plots.OTHER not in colours
