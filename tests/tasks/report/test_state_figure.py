"""The picture of what a network holds step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import liafseq
from liafseq.tasks.report.state_figure import (
    WORDS_A_ROW,
    chosen_neurons,
    rows_of_steps,
    spike_name,
    state_figure,
)


def test_neurons_that_vary_most_slow_ones_first() -> None:
    time = np.arange(20)
    values = np.stack([0.1 * (-1.0) ** time, (-1.0) ** time, np.zeros(20), np.sin(time / 6)], 1)
    assert chosen_neurons(values, 2) == [3, 1]
    assert chosen_neurons(values, 9)[:1] == [3]
    assert sorted(chosen_neurons(values, 9)) == [0, 1, 2, 3]
    assert chosen_neurons(values[:1], 2) == [0, 1]


@pytest.mark.parametrize("steps", [1, 5, 34, 35, 100, 1550])
@pytest.mark.parametrize("every", [None, 3, 7, 50])
def test_rows_hold_every_step_once(steps: int, every: int | None) -> None:
    ends = list(range(every - 1, steps, every)) if every else []
    rows = rows_of_steps(steps, 34, ends)
    assert [at for start, stop in rows for at in range(start, stop)] == list(range(steps))
    assert all(0 < stop - start <= 34 for start, stop in rows)
    assert len(rows) <= -(-steps // 34) * 2
    if every in (3, 7):
        assert all(stop - 1 in ends for _, stop in rows[:-1])


def figure(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figures: list[Any] = []
    original = FigureCanvasAgg.print_png
    monkeypatch.setattr(
        FigureCanvasAgg, "print_png", lambda self, *args: figures.append(self.figure) or original(self, *args)
    )
    data = state_figure(**more)
    assert data.startswith(b"\x89PNG\r\n")
    return figures[0]


def words(steps: int = 40, neurons: int = 5) -> dict[str, Any]:
    chance = np.random.default_rng(0)
    ticks = ["." if at % 8 == 7 else f"word{at}" for at in range(steps)]
    return {
        "values": chance.normal(0, 1, (steps, neurons)),
        "spikes": chance.integers(0, 3, (steps, neurons)),
        "ticks": ticks,
        "probabilities": {"right": chance.random(steps), "given": chance.random(steps)},
        "others": chance.random((steps, 2)),
        "title": "Where is $Mary_? " * 12,
        "subtitle": "a run " * 40,
        "ends": [at for at, tick in enumerate(ticks) if tick == "."],
    }


def test_long_stories_wrap_and_words_stand_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = figure(monkeypatch, **words())
    labels = [
        [label.get_text() for label in axis.get_xticklabels()]
        for axis in found.axes
        if axis.get_ylabel() == "probability"
    ]
    assert [len(row) for row in labels] == [24, 16]
    assert [label for row in labels for label in row] == words()["ticks"]
    curves = [axis.lines for axis in found.axes if axis.get_ylabel() == "probability"]
    drawn = np.concatenate([lines[2].get_ydata() for lines in curves])
    np.testing.assert_array_equal(drawn, words()["probabilities"]["right"])
    maps = [axis for axis in found.axes if axis.get_ylabel() == "neuron"]
    assert sum(len(axis.collections[0].get_offsets()) for axis in maps) == (words()["spikes"] > 0).sum()
    assert len({axis.images[0].get_clim() for axis in maps}) == 1


def test_nothing_runs_out_of_the_picture_or_into_its_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    for steps in (3, 40):
        content = words(steps)
        if steps == 3:
            content["ticks"] = ["a sentence that is rather long, and then goes on .", "b", "c"]
        found = figure(monkeypatch, **content)
        renderer = found._get_renderer()
        edges = found.bbox
        texts = [text.get_window_extent(renderer) for text in found.texts]
        legend = found.legends[0].get_window_extent(renderer)
        for axis in found.axes:
            box = axis.get_tightbbox(renderer)
            assert edges.x0 <= box.x0
            assert box.x1 <= edges.x1
            assert edges.y0 <= box.y0
            assert not any(box.overlaps(other) for other in [*texts, legend])
        for at, box in enumerate(texts):
            assert box.x1 <= edges.x1
            assert not any(box.overlaps(other) for other in [*texts[at + 1 :], legend])
        assert legend.x1 <= edges.x1


def test_steps_of_a_recording_stand_under_their_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [np.full((8, 6, 3), 10 * at, dtype=np.uint8) for at in range(15)]
    content = {key: value for key, value in words(15).items() if key not in ("ticks", "ends", "spikes")}
    found = figure(monkeypatch, **content, ticks=frames, spikes=None)
    pictures = [image for axis in found.axes for image in axis.images if image.get_array().ndim == 3]
    assert [int(image.get_array()[0, 0, 0]) for image in pictures] == [10 * at for at in range(15)]
    assert [len(axis.images) for axis in found.axes if len(axis.images) > 1] == [8, 7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((0, 3))}, "values must be"),
        ({"spikes": np.zeros((40, 4))}, "spikes must have the shape of values"),
        ({"ticks": ["a"]}, "ticks must be one a step, 40, got 1"),
        ({"probabilities": {}}, "1 to 3 answers, got 0"),
        ({"probabilities": {"a": np.zeros(3)}}, "probabilities of 'a' must be"),
        ({"others": np.zeros(40)}, "others must be"),
        ({"values": np.full((40, 5), np.nan)}, "must be finite"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arrays(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        state_figure(**{**words(), **change})


def test_equal_states_make_equal_pictures() -> None:
    assert state_figure(**words(4)) == state_figure(**words(4))
    assert WORDS_A_ROW == 34


@pytest.mark.parametrize("cell", [0.5, 3.0])
def test_pixels_of_pictures_are_squares_inside_their_step(cell):
    from matplotlib.figure import Figure

    from liafseq.tasks.report.state_figure import _frames

    axis = Figure().add_subplot()
    _frames(axis, [np.zeros((8, 8, 3)), np.zeros((4, 8, 3))], cell)
    for at, (image, ratio) in enumerate(zip(axis.images, (1.0, 2.0), strict=True)):
        left, right, bottom, top = image.get_extent()
        assert (right - left) * cell == pytest.approx(ratio * (top - bottom))
        assert at - 0.5 < left < right < at + 0.5
        assert 0 <= bottom < top <= 1


def test_a_dot_is_called_what_it_is() -> None:
    hard, gated = liafseq.LIAF(2, 3), liafseq.LIAF(2, 3, gated=True)
    names = [spike_name(layer) for layer in (hard, gated, liafseq.LIF(2, 3), liafseq.MLIF(2, 3))]
    assert names == ["threshold crossed (reset)", "threshold crossed", "spike", "spikes (larger: more)"]
