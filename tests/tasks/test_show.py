"""What a network holds word by word, and its picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from liafseq.tasks import show_plots
from liafseq.tasks.babi.config import BabiRun
from liafseq.tasks.babi.encode import encode
from liafseq.tasks.babi.kinds import build_model
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.babi.show import trace
from liafseq.tasks.babi.vocab import Vocabulary
from liafseq.tasks.show_plots import chosen_neurons, rows_of_steps, state_figure

ROWS = [{"story": ["a b c .", "c c a .", "d a b ."], "question": "where c b ?", "answer": "y"}]
VOCABULARY = Vocabulary.build(["a b c d where . ?"], ["x", "y", "z"])
MODELS = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


def make(**fields: Any) -> BabiModel:
    torch.manual_seed(0)
    config = BabiRun(**({"embedding_size": 5, "hidden_size": 6} | fields))
    model = BabiModel(config, len(VOCABULARY.words), len(VOCABULARY.answers))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(3)  # so that binary neurons fire
    return model


def variants() -> list[dict[str, Any]]:
    found = []
    for model in MODELS:
        found += [{"model": model}, {"model": model, "num_layers": 2, "dropout": 0.5}]
        found += [{"model": model, "bidirectional": True, "num_layers": 2}]
        if model not in ("rnn", "gru"):
            found += [{"model": model, "readout": "both"}]
    return found


@pytest.mark.parametrize("fields", variants(), ids=lambda fields: "-".join(map(str, fields.values())))
def test_after_each_word_it_is_what_the_network_makes_of_the_story_so_far(fields: dict[str, Any]) -> None:
    model = make(**fields)
    batch = encode(ROWS, VOCABULARY).batch([0])
    found = trace(model, batch)
    assert model.training  # as it was
    model.eval()
    seen: list[Any] = []
    model.story.register_forward_hook(lambda _, __, out: seen.append(out[1]))
    for at in range(len(batch.story)):
        with torch.no_grad():
            story, length = batch.story[: at + 1], torch.tensor([at + 1])
            logits = model(story, length, batch.question, batch.question_lengths)
        torch.testing.assert_close(found.probabilities[at], logits[0].softmax(-1), rtol=1e-5, atol=1e-6)
        held = seen[-1][1] if fields["model"] not in ("rnn", "gru") else seen[-1]
        own = held[-2 if fields.get("bidirectional") else -1, 0]
        torch.testing.assert_close(found.state[at], own, rtol=1e-5, atol=1e-6)
    assert found.state.shape == (12, 6)
    assert not found.probabilities.requires_grad


@pytest.mark.parametrize("more", [{}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("model", ["liaf", "gru", "lstm"])
def test_a_story_model_is_shown_sentence_by_sentence(model: str, more: dict[str, Any]) -> None:
    config = BabiRun(model=model, kind="story", embedding_size=5, hidden_size=6, hops=2, **more)
    torch.manual_seed(0)
    network = build_model(config, len(VOCABULARY.words), len(VOCABULARY.answers)).eval()
    data = encode(ROWS, VOCABULARY)
    batch = data.sentences([0])
    found = trace(network, batch)
    assert found.state.shape == (3, 6)
    for at in range(3):
        short = [{**ROWS[0], "story": ROWS[0]["story"][: at + 1]}]
        with torch.no_grad():
            logits = network(*encode(short, VOCABULARY).sentences([0])[:-1])
        torch.testing.assert_close(found.probabilities[at], logits[0].softmax(-1), rtol=1e-4, atol=1e-6)
    assert (found.spikes is not None) == (model == "liaf")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("model", ["lif", "mlif", "dalif"])
def test_spikes_are_what_the_layer_emits(model: str, layers: int) -> None:
    network = make(model=model, num_layers=layers).eval()
    batch = encode(ROWS, VOCABULARY).batch([0])
    outputs: list[torch.Tensor] = []
    network.story.register_forward_hook(lambda _, __, out: outputs.append(out[0].detach()))
    found = trace(network, batch)
    assert found.spikes is not None
    assert torch.equal(found.spikes.float(), torch.cat(outputs)[:, 0])
    assert found.spikes.sum() > 0


def test_liaf_has_spikes_and_torchs_own_layers_have_none() -> None:
    batch = encode(ROWS, VOCABULARY).batch([0])
    liaf = make(model="liaf")
    found = trace(liaf, batch)
    threshold = liaf.story.neuron_parameters()["threshold"].detach()
    assert found.spikes is not None
    assert torch.equal(found.spikes, (found.state >= threshold).long())
    assert 0 < found.spikes.float().mean() < 1
    assert trace(make(model="gru"), batch).spikes is None


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
    assert show_plots.WORDS_A_ROW == 34
