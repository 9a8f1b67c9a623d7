"""Training of any model: best epoch, schedule, early stop, distributed shares, and what is kept."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import nn

from liafseq.tasks.config import Config
from liafseq.tasks.storage.checkpoint import load_tensors
from liafseq.tasks.task import ACCURACY, Tally
from liafseq.tasks.training import fit as fitting
from liafseq.tasks.training.fit import _stop_early, evaluate, fit, rate
from liafseq.tasks.training.launch import make_fabric
from liafseq.tasks.training.log import Epoch, best_epoch, read_log


class Points:
    """Points in the plane, right or left of a line, in batches."""

    def __init__(self, count=64, size=16, seed=0, flip=False):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 2, generator=generator)
        self.y = ((self.x.sum(1) > 0) ^ flip).long()
        self.size = size

    @property
    def examples(self):
        return len(self.x)

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
    return Tally(loss, len(y), (logits.argmax(-1) == y).sum()[None])


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Tanh(), nn.Linear(8, 2))


def config_of(**fields):
    return Config(model="gru", **({"epochs": 5, "learning_rate": 0.05} | fields))


def train(folder, *, model=None, points=None, valid=None, step=step, progress=None, **fields):
    model = model or make_model()
    config = config_of(**fields)
    folder.mkdir(exist_ok=True)
    outcome = fit(
        model,
        points or Points(),
        valid or Points(seed=1),
        step,
        config,
        folder,
        metrics=[ACCURACY],
        fabric=make_fabric(precision=config.precision),
        progress=progress,
    )
    return model, outcome


def metrics_of(folder):
    return read_log(folder / "metrics.jsonl")


def line(epoch, accuracy, loss=1.0):
    valid = {"accuracy": accuracy}
    return Epoch(epoch=epoch, loss=1, valid_loss=loss, valid=valid, learning_rate=1, seconds=0)


def untimed(lines):
    return [entry.model_copy(update={"seconds": 0}) for entry in lines]


class Stopped(Exception):
    pass


def stop_in(epoch):
    """A progress callback that ends a run in an epoch, as a kill does."""

    def stop(told):
        if told.epoch == epoch:
            raise Stopped

    return stop


def test_it_learns_and_keeps_the_best_epoch(tmp_path):
    model, outcome = train(tmp_path, epochs=12)
    lines = metrics_of(tmp_path)
    assert [entry.epoch for entry in lines] == list(range(1, 13))
    assert outcome.valid.metrics["accuracy"] > 0.9
    best = max(lines, key=lambda entry: (entry.valid["accuracy"], -entry.valid_loss))
    assert outcome.best == best
    assert (outcome.valid.metrics, outcome.valid.loss) == (best.valid, best.valid_loss)
    # The weights of that epoch, in the model and in the file.
    score = evaluate(model, Points(seed=1), step, [ACCURACY], make_fabric())
    assert score == outcome.valid
    assert score.count == 64
    weights, about = load_tensors(tmp_path / "checkpoint.safetensors")
    assert about["epoch"] == best.epoch
    assert all(weights[name].equal(tensor) for name, tensor in model.state_dict().items())


def test_a_run_is_repeatable_and_depends_on_its_seed(tmp_path):
    def losses(name, **options):
        train(tmp_path / name, **options)
        return [(entry.loss, entry.valid_loss) for entry in metrics_of(tmp_path / name)]

    first = losses("a")
    torch.manual_seed(77)
    assert losses("b") == first
    assert losses("c", seed=1) != first  # dropout's seed


def test_random_numbers_of_an_epoch_do_not_depend_on_those_before(tmp_path):
    """Taken up after epoch 2, the rest is the same though other random numbers were used."""
    whole, _ = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path / "parts", progress=stop_in(3))
    assert len(metrics_of(tmp_path / "parts")) == 2
    parts, outcome = train(tmp_path / "parts", model=make_model(seed=9))
    assert outcome.epochs_run == 5
    assert untimed(metrics_of(tmp_path / "whole")) == untimed(metrics_of(tmp_path / "parts"))
    assert all(one.equal(other) for one, other in zip(whole.parameters(), parts.parameters(), strict=True))


def test_the_best_epoch_has_the_lower_loss_of_equals_and_then_is_the_earlier():
    lines = [line(1, 0.8, 0.1), line(2, 0.9, 0.5), line(3, 0.9, 0.4), line(4, 0.9, 0.4), line(5, 0.9, 0.6)]
    assert best_epoch(lines, ACCURACY).epoch == 3


def test_schedules():
    def rates(**fields):
        config = config_of(learning_rate=2.0, **fields)
        return [rate(config, step, 4) for step in range(4)]

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
    config = config_of(epochs=2, warmup=0.25)
    assert rates == [[rate(config, step, 8)] * 2 for step in range(8)]
    assert [entry.learning_rate for entry in metrics_of(tmp_path)] == [rates[3][0], rates[7][0]]


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
        return Tally(sum(p.sum() for p in model.parameters()) * 0.0, len(batch[1]), batch[1].sum()[None] * 0)

    before = make_model()
    fields = {"epochs": 1, "learning_rate": 0.1, "weight_decay": 0.5, "schedule": "constant"}
    model, _ = train(tmp_path, step=zero, **fields)
    torch.testing.assert_close(model[0].weight, before[0].weight * 0.95**4)
    assert model[0].bias.equal(before[0].bias)


def test_early_stopping_counts_from_the_last_better_accuracy(tmp_path):
    # The opposite labels: what is learned makes validation worse from the start.
    _, outcome = train(tmp_path, epochs=40, patience=3, valid=Points(seed=1, flip=True))
    accuracies = [entry.valid["accuracy"] for entry in metrics_of(tmp_path)]
    first_best = accuracies.index(max(accuracies)) + 1
    assert outcome.epochs_run == first_best + 3 < 40
    # Nothing is added when it is called again.
    _, again = train(tmp_path, epochs=40, patience=3, valid=Points(seed=1, flip=True))
    assert again.epochs_run == outcome.epochs_run


def test_where_all_is_right_training_stops_after_two_epochs_more():
    def stops(accuracies, patience):
        lines = [line(at, value) for at, value in enumerate(accuracies, 1)]
        return _stop_early(lines, ACCURACY, patience)

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
        return replace(found, loss=found.loss * math.nan) if bad else found

    with pytest.raises(FloatingPointError, match="no longer finite in epoch 2"):
        train(tmp_path, step=breaks, learning_rate=0.01)
    assert load_tensors(tmp_path / "checkpoint.safetensors")[1]["epoch"] == 1
    assert len(metrics_of(tmp_path)) == 1


def test_a_step_whose_gradient_overflows_is_left_out_and_told(tmp_path):
    calls = []

    def overflows(model, batch):
        found = step(model, batch)
        calls.append(model.training)
        if sum(calls) == 3:  # an infinite gradient of a finite loss, as after a thousand steps
            found.loss.register_hook(lambda gradient: gradient * math.inf)
        return found

    model, outcome = train(tmp_path, step=overflows, epochs=2)
    assert outcome.left_out == 1
    assert [entry.left_out for entry in metrics_of(tmp_path)] == [1, 0]
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_progress(tmp_path, monkeypatch):
    monkeypatch.setattr("liafseq.tasks.training.fit._PROGRESS_SECONDS", -1)
    told = []
    train(tmp_path, epochs=2, progress=told.append)
    assert [(p.epoch, p.batch) for p in told] == [(e, b) for e in (1, 2) for b in (1, 2, 3, 4)]
    assert {(p.epochs, p.batches) for p in told} == {(2, 4)}
    lines = metrics_of(tmp_path)
    assert [told[3].loss, told[7].loss] == pytest.approx([entry.loss for entry in lines])
    assert told[3].valid is None
    assert told[4].valid == ACCURACY.text(lines[0].valid["accuracy"], unit=True)


def test_the_checkpoint_is_made_again_from_the_commit(tmp_path):
    _, outcome = train(tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").unlink()
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2')
    train(tmp_path, epochs=1)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert metrics_of(tmp_path)[0].valid_loss == outcome.valid.loss


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
        train(tmp_path, epochs=1)


def test_a_checkpoint_of_another_run_or_model_is_refused(tmp_path):
    train(tmp_path, epochs=1)
    other = config_of(epochs=2)
    found, expected = (f"{config.key()}" for config in (config_of(epochs=1), other))
    with pytest.raises(
        ValueError, match=rf"resume\.safetensors: of another run \({found}\), expected {expected}"
    ):
        train(tmp_path, epochs=2)
    with pytest.raises(ValueError, match=r"resume\.safetensors: not the weights of this model"):
        train(tmp_path, epochs=1, model=nn.Linear(2, 2))


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_other_precisions_train_and_go_on(tmp_path, precision):
    def go(folder, progress=None):
        points = Points()
        points.x = points.x.to(
            {"bf16-true": torch.bfloat16, "64-true": torch.float64}.get(precision, torch.float32)
        )
        fields = {"epochs": 4, "schedule": "constant", "precision": precision}
        train(folder, points=points, valid=points, progress=progress, **fields)
        return [(entry.loss, entry.valid_loss) for entry in metrics_of(folder)]

    whole = go(tmp_path / "a")
    with pytest.raises(Stopped):
        go(tmp_path / "b", stop_in(3))
    assert go(tmp_path / "b") == whole
    assert whole[-1][1] < whole[0][1]


def test_the_time_of_the_first_step_is_not_that_of_training(tmp_path, monkeypatch):
    """By a clock that the steps move: 100 seconds for the first, in which kernels are compiled, then 1."""
    seconds = [0.0]
    clock = type("Clock", (), {"perf_counter": lambda: seconds[0], "monotonic": lambda: seconds[0]})
    monkeypatch.setattr(fitting, "time", clock)

    def slow(model, batch):
        seconds[0] += 1 if seconds[0] else 100
        return step(model, batch)

    _, outcome = train(tmp_path, step=slow, epochs=2)
    assert outcome.first_step_seconds == 100
    assert outcome.seconds == 2 * (4 + 4)
    # The network is as it was before that step.
    train(tmp_path / "other", epochs=2)
    assert untimed(metrics_of(tmp_path)) == untimed(metrics_of(tmp_path / "other"))


def test_of_each_epoch_is_told(tmp_path):
    told = []
    fit(
        make_model(), Points(), Points(seed=1), step, config_of(epochs=2), tmp_path,
        metrics=[ACCURACY], fabric=make_fabric(), tell=told.append,
    )  # fmt: skip
    assert told == metrics_of(tmp_path)


class Piece(NamedTuple):
    """A batch whose answer depends on what was before it in the epoch."""

    x: torch.Tensor
    state: torch.Tensor | None
    y: torch.Tensor


class Pieces(Points):
    def epoch(self, number, rank=0, world=1):
        for x, y in super().epoch(number, rank, world):
            yield Piece(x, None, y)


def carrying(seen):
    """A step that counts batches in its state, and notes what it was given."""

    def run(model, batch):
        seen.append((model.training, None if batch.state is None else batch.state.item()))
        assert batch.state is None or not batch.state.requires_grad
        logits = model(batch.x)
        loss = nn.functional.cross_entropy(logits, batch.y, reduction="sum")
        before = 0.0 if batch.state is None else batch.state
        state = before + 1 + 0 * logits.sum()  # with a gradient, which must not reach the next batch
        return Tally(loss, len(batch.y), (logits.argmax(-1) == batch.y).sum()[None], state)

    return run


def test_a_state_goes_on_from_batch_to_batch_and_begins_anew_with_an_epoch(tmp_path):
    seen = []
    train(tmp_path, points=Pieces(), valid=Pieces(seed=1), step=carrying(seen), epochs=2)
    first_step, *seen = seen
    assert first_step == (True, None)
    one = [None, 1.0, 2.0, 3.0]
    assert seen == [(training, state) for _ in range(2) for training in (True, False) for state in one]
