"""Training of any model: best epoch, schedule, early stop, distributed shares, and what is kept."""

from __future__ import annotations

import json
import math
import random

import pytest
import torch
from torch import nn

from liafseq.tasks import launch as launching
from liafseq.tasks.launch import launch, make_fabric
from liafseq.tasks.resume import best_line
from liafseq.tasks.storage.checkpoint import load_tensors, save_tensors
from liafseq.tasks.training import Tally, TrainingOptions, _stop_early, evaluate, fit


class Points:
    """Points in the plane, right or left of a line, in batches."""

    def __init__(self, count=64, size=16, seed=0, flip=False):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 2, generator=generator)
        self.y = ((self.x.sum(1) > 0) ^ flip).long()
        self.size = size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def epoch(self, number, rank=0, world=1):
        order = list(range(len(self.x)))
        if number:
            random.Random(number).shuffle(order)
        for at in range(0, len(order), self.size):
            rows = order[at : at + self.size][rank::world]
            yield self.x[rows], self.y[rows]


def step(model, batch):
    x, y = batch
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, y, reduction="sum")
    return Tally(loss, (logits.argmax(-1) == y).sum(), len(y))


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 2))


def train(folder, *, model=None, valid=None, progress=None, identity="a", **options):
    options = {"epochs": 5, "learning_rate": 0.05, "clip": 1.0} | options
    model = model or make_model()
    folder.mkdir(exist_ok=True)
    outcome = fit(
        model,
        Points(),
        valid or Points(seed=1),
        step,
        TrainingOptions(**options),
        folder,
        identity=identity,
        fabric=make_fabric(),
        progress=progress,
    )
    return model, outcome


def metrics_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_learns_and_keeps_the_best_epoch(tmp_path):
    model, outcome = train(tmp_path, epochs=12)
    lines = metrics_of(tmp_path)
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert outcome.valid_accuracy > 0.9
    best = max(lines, key=lambda line: (line["valid_accuracy"], -line["valid_loss"]))
    assert outcome.best_epoch == best["epoch"]
    assert (outcome.valid_accuracy, outcome.valid_loss) == (best["valid_accuracy"], best["valid_loss"])
    # The weights of that epoch, in the model and in the file.
    loss, accuracy, count = evaluate(model, Points(seed=1), step, make_fabric())
    assert (loss, accuracy, count) == (best["valid_loss"], best["valid_accuracy"], 64)
    weights, about = load_tensors(tmp_path / "checkpoint.safetensors")
    assert about["epoch"] == best["epoch"]
    assert all(weights[name].equal(tensor) for name, tensor in model.state_dict().items())


def test_a_run_is_repeatable_and_depends_on_its_seed(tmp_path):
    def losses(name, **options):
        train(tmp_path / name, **options)
        return [(line["loss"], line["valid_loss"]) for line in metrics_of(tmp_path / name)]

    first = losses("a")
    torch.manual_seed(77)
    assert losses("b") == first
    assert losses("c", seed=1) != first  # dropout's seed


def test_random_numbers_of_an_epoch_do_not_depend_on_those_before(tmp_path):
    """Taken up after epoch 2, the rest is the same though other random numbers were used."""
    whole, _ = train(tmp_path / "whole")

    class Stopped(Exception):
        pass

    def stop(told):
        if told.epoch == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(tmp_path / "parts", progress=stop)
    assert len(metrics_of(tmp_path / "parts")) == 2
    parts, outcome = train(tmp_path / "parts", model=make_model(seed=9))
    assert outcome.epochs_run == 5
    for one, other in zip(metrics_of(tmp_path / "whole"), metrics_of(tmp_path / "parts"), strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    assert all(one.equal(other) for one, other in zip(whole.parameters(), parts.parameters(), strict=True))


def test_best_line_breaks_ties_by_loss_and_then_takes_the_earlier():
    def line(epoch, accuracy, loss):
        return {"epoch": epoch, "valid_accuracy": accuracy, "valid_loss": loss}

    lines = [line(1, 0.8, 0.1), line(2, 0.9, 0.5), line(3, 0.9, 0.4), line(4, 0.9, 0.4), line(5, 0.9, 0.6)]
    assert best_line(lines)["epoch"] == 3


def test_schedules():
    def rates(**fields):
        options = TrainingOptions(epochs=1, learning_rate=2.0, **fields)
        return [options.rate(step, 4) for step in range(4)]

    root = math.sqrt(0.5)
    assert rates() == pytest.approx([2, 1 + root, 1, 1 - root])
    assert rates(schedule="constant") == [2, 2, 2, 2]
    assert rates(schedule="constant", warmup=0.5) == [1, 2, 2, 2]


def test_the_schedule_reaches_the_optimizer(tmp_path, monkeypatch):
    rates = []
    move = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        rates.append([group["lr"] for group in self.param_groups])
        return move(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    train(tmp_path, epochs=2, warmup=0.25)
    options = TrainingOptions(2, 0.05, warmup=0.25)
    assert rates == [[options.rate(step, 8)] * 2 for step in range(8)]
    assert [line["learning_rate"] for line in metrics_of(tmp_path)] == [rates[3][0], rates[7][0]]


def test_the_gradient_is_clipped(tmp_path, monkeypatch):
    norms = []
    move = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        gradients = [p.grad for group in self.param_groups for p in group["params"]]
        norms.append(torch.nn.utils.get_total_norm(gradients).item())
        return move(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    train(tmp_path / "a", epochs=1, clip=0.01)
    assert max(norms) == pytest.approx(0.01, rel=1e-3)
    norms.clear()
    train(tmp_path / "b", epochs=1, clip=0.0)
    assert max(norms) > 0.1


def test_weight_decay_is_for_matrices_only(tmp_path):
    def zero(model, batch):
        return Tally(sum(p.sum() for p in model.parameters()) * 0.0, batch[1].sum() * 0, len(batch[1]))

    model, before = make_model(), make_model()
    options = TrainingOptions(epochs=1, learning_rate=0.1, weight_decay=0.5, schedule="constant")
    fit(model, Points(), Points(), zero, options, tmp_path, identity="a", fabric=make_fabric())
    torch.testing.assert_close(model[0].weight, before[0].weight * 0.95**4)
    assert model[0].bias.equal(before[0].bias)


def test_early_stopping_counts_from_the_last_better_accuracy(tmp_path):
    # The opposite labels: what is learned makes validation worse from the start.
    _, outcome = train(tmp_path, epochs=40, patience=3, valid=Points(seed=1, flip=True))
    accuracies = [line["valid_accuracy"] for line in metrics_of(tmp_path)]
    first_best = accuracies.index(max(accuracies)) + 1
    assert outcome.epochs_run == first_best + 3 < 40
    # Nothing is added when it is called again.
    _, again = train(tmp_path, epochs=40, patience=3, valid=Points(seed=1, flip=True))
    assert again.epochs_run == outcome.epochs_run


def test_where_all_is_right_training_stops_after_two_epochs_more():
    def stops(accuracies, patience):
        lines = [{"epoch": at, "valid_accuracy": value} for at, value in enumerate(accuracies, 1)]
        return _stop_early(lines, patience)

    assert not stops([0.5, 1.0, 1.0], 5)
    assert stops([0.5, 1.0, 1.0, 1.0], 5)
    assert stops([1.0, 0.9], 1)
    assert not stops([0.5, 0.9, 0.9, 0.9], 5)
    assert not stops([1.0] * 9, 0)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_best(tmp_path, where):
    calls = []

    def breaks(model, batch):
        found = step(model, batch)
        calls.append(model.training)
        bad = len(calls) > 10 and model.training is (where == "training")
        return found._replace(loss=found.loss * math.nan) if bad else found

    options = TrainingOptions(epochs=5, learning_rate=0.01)
    with pytest.raises(FloatingPointError, match="no longer finite in epoch 2"):
        fit(make_model(), Points(), Points(), breaks, options, tmp_path, identity="a", fabric=make_fabric())
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["epoch"] == 1
    assert len(metrics_of(tmp_path)) == 1


def test_progress(tmp_path, monkeypatch):
    monkeypatch.setattr("liafseq.tasks.training._PROGRESS_SECONDS", -1)
    told = []
    train(tmp_path, epochs=2, progress=told.append)
    assert [(p.epoch, p.batch) for p in told] == [(e, b) for e in (1, 2) for b in (1, 2, 3, 4)]
    assert {(p.epochs, p.batches) for p in told} == {(2, 4)}
    lines = metrics_of(tmp_path)
    assert [told[3].loss, told[7].loss] == pytest.approx([line["loss"] for line in lines])
    assert told[3].valid_accuracy is None
    assert told[4].valid_accuracy == lines[0]["valid_accuracy"]


def test_the_checkpoint_is_made_again_from_the_commit(tmp_path):
    _, outcome = train(tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").unlink()
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2')
    train(tmp_path, epochs=1)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert metrics_of(tmp_path)[0]["valid_loss"] == outcome.valid_loss


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "no state"])
def test_a_damaged_resume_file_is_one_clear_error(tmp_path, damage):
    train(tmp_path, epochs=1)
    path = tmp_path / "resume.safetensors"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-9])
    elif damage == "flipped":
        path.write_bytes(b"\xff" * 64 + content[64:])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"resume\.safetensors: damaged.*delete the run folder"):
        train(tmp_path, epochs=2)


def test_a_checkpoint_of_another_run_or_model_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"resume\.safetensors: of another run \(a\), expected b"):
        train(tmp_path, epochs=2, identity="b")
    with pytest.raises(ValueError, match=r"resume\.safetensors: not the weights of this model"):
        train(tmp_path, epochs=2, model=nn.Linear(2, 2))


def test_tensors_and_state_in_one_file(tmp_path):
    shared = torch.arange(6.0).view(2, 3)
    tensors = {"a": shared.t(), "b": shared, "step": torch.tensor(3.0), "half": torch.ones(2).bfloat16()}
    state = {"x": [0.1 + 0.2, None, "ä"]}
    path = save_tensors(tmp_path / "x.safetensors", tensors, state)
    content = path.read_bytes()
    loaded, about = load_tensors(path)
    assert about == state
    assert all(loaded[name].equal(tensor) for name, tensor in tensors.items())
    assert save_tensors(tmp_path / "y.safetensors", tensors, state).read_bytes() == content
    with pytest.raises(FileNotFoundError, match=r"z\.safetensors"):
        load_tensors(tmp_path / "z.safetensors")


@pytest.mark.parametrize(
    "fields", [{"device": "nothing"}, {"precision": "12-true"}, {"device": "cuda"}, {"devices": 0}]
)
def test_a_device_or_precision_that_is_not_there(fields):
    if fields.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ValueError, match="cannot be had here"):
        make_fabric(**fields)


def test_launch_in_this_process():
    told = []
    found = launch(lambda fabric, a, b, tell: (fabric.world_size, a + b, tell), 1, 2, progress=told.append)
    assert found == (1, 3, told.append)


def test_an_error_of_a_spawned_process_comes_back_whole(monkeypatch):
    def fails(*_):
        raise FileNotFoundError("no such file: x")

    class Fabric:
        is_global_zero = True
        world_size = 2

        def barrier(self):
            pass

        strategy = type("Strategy", (), {"launcher": type("Launcher", (), {"_start_method": "spawn"})})

        def launch(self, function):
            return function(self)

    monkeypatch.setattr(launching, "make_fabric", lambda *_: Fabric())
    with pytest.raises(FileNotFoundError, match="no such file: x"):
        launch(fails, progress=None, devices=2)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_other_precisions_train_and_go_on(tmp_path, precision):
    def go(folder, epochs):
        folder.mkdir(exist_ok=True)
        fabric = make_fabric(precision=precision)
        data = Points()
        data.x = data.x.to(
            {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision, torch.float32)
        )
        options = TrainingOptions(epochs=epochs, learning_rate=0.05, schedule="constant")
        fit(make_model(), data, data, step, options, folder, identity="a", fabric=fabric)
        return [(line["loss"], line["valid_loss"]) for line in metrics_of(folder)]

    whole = go(tmp_path / "a", 4)
    go(tmp_path / "b", 2)
    assert go(tmp_path / "b", 4) == whole
    assert whole[-1][1] < whole[0][1]
