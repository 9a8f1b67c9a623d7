"""The benchmark's parts: the check, the statistics, memory, the plan. No test depends on a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from matplotlib.backends.backend_agg import RendererAgg
from torch import Tensor, nn

from liafseq import ops
from liafseq.tasks.bench import check as checking
from liafseq.tasks.bench import first_call, floor, peers, plots, runner, timing
from liafseq.tasks.bench.check import Check
from liafseq.tasks.bench.competitors import build, draw, layer_step
from liafseq.tasks.bench.config import BenchConfig, Shape, Sweep
from liafseq.tasks.bench.floor import floor_step
from liafseq.tasks.bench.memory import training_memory
from liafseq.tasks.bench.one_step import one_step
from liafseq.tasks.bench.results import Bench, Quartiles, Speed, Timing, Tolerance
from liafseq.tasks.models import ModelSpec, as_spec

SHAPE = Shape(4, 6, 3, 5)
SPIKING = ("liaf", "lif", "dalif", "mlif")


@pytest.fixture(autouse=True)
def _small_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """The large product would take longer than all else."""
    monkeypatch.setattr(floor, "SIZE", 16)


def config(**changes: Any) -> BenchConfig:
    given = {"shapes": (SHAPE,), "rounds": 2, "min_time": 0.0, "dtype": "float64"}
    return BenchConfig(**{**given, **changes})


def checked(spec: str | ModelSpec, **changes: Any) -> Check:
    c = config(**changes)
    return Check(build(spec, SHAPE, c), SHAPE, c)


def perturb(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Every layer's time loop gives what ``change`` makes of its results."""
    right = ops.recurrence
    monkeypatch.setattr(ops, "recurrence", lambda *a, **k: change(*right(*a, **k)))


class _Doubled(torch.autograd.Function):
    """The identity with a gradient that is wrong by a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ARG004
        return 2 * g


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", SPIKING)
def test_right_layers_pass(name: str, dtype: str) -> None:
    check = checked(name, dtype=dtype)
    for mode in ("training", "inference"):
        verdict = check(mode)
        assert verdict.ok, verdict
        assert verdict.compared > 0.5
    assert check.firing_rate > 0


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu", "threshold_related": True, "threshold": 0.2, "learn_threshold": True},
        {"feedback": "membrane", "reset": "soft", "surrogate": "arctan"},
        {"feedback": None, "normalize_current": True, "decay": 0.9, "leak": 0.1},
        {"share": "layer", "decay": 0.5, "activation": "hardtanh"},
        {"gated": True, "learn_threshold": True, "reset": "hard"},
        {"gated": True, "normalize_current": False, "reset": "soft", "activation": "relu"},
    ],
)
def test_right_layers_with_options_pass(options: dict[str, Any]) -> None:
    check = checked(ModelSpec(name="liaf", label="liaf", options=options))
    assert check("training").ok
    assert check("inference").ok


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("spec", [*SPIKING, "liaf:gated=true"])
def test_16_bits_are_those_of_autocast(spec: str, dtype: str) -> None:
    c = config(dtype=dtype)
    layer = build(ModelSpec.parse(spec), SHAPE, c)
    assert {p.dtype for p in layer.parameters()} == {draw(SHAPE, c).dtype} == {torch.float32}
    exact = type(layer).forward(layer, draw(SHAPE, c))[0]
    assert not torch.equal(layer(draw(SHAPE, c))[0], exact) or spec in SPIKING[1:]
    check = Check(layer, SHAPE, c)
    for mode in ("training", "inference"):
        verdict = check(mode)
        assert verdict.ok, verdict
        assert verdict.where.endswith(f" in {dtype}")
        assert 0 <= verdict.deviation <= 0.5


def test_what_is_wrong_in_16_bits_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked("liaf", dtype="bfloat16")
    perturb(monkeypatch, lambda y, h, c: (2 * y if torch.is_autocast_enabled("cpu") else y, h, c))
    verdict = check("inference")
    assert not verdict.ok
    assert verdict.where == "output in bfloat16"
    assert verdict.deviation == pytest.approx(1.0, abs=0.01)


def test_what_is_wrong_without_autocast_is_found_in_16_bits_too(monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked("liaf", dtype="bfloat16")
    perturb(monkeypatch, lambda y, h, c: (y + 1e-3, h, c))
    assert check("training").where == "output"


@pytest.mark.parametrize("name", SPIKING)
def test_a_wrong_output_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked(name)
    perturb(monkeypatch, lambda y, h, c: (y + 1e-6, h, c))
    verdict = check("inference")
    assert not verdict.ok
    assert verdict.where == "output"
    assert 1e-8 < verdict.deviation < 1e-4


@pytest.mark.parametrize(("place", "where"), [(1, "h_n"), (2, "c_n")])
def test_a_wrong_state_is_found(place: int, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked("liaf")
    perturb(monkeypatch, lambda *r: tuple(v + 1e-6 * (at == place) for at, v in enumerate(r)))
    assert check("inference").where == where


def test_a_wrong_gradient_is_found_in_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked("liaf")
    perturb(monkeypatch, lambda y, h, c: (_Doubled.apply(y), h, c))
    assert check("inference").ok
    verdict = check("training")
    assert not verdict.ok
    assert verdict.where.startswith("gradient of ")


@pytest.mark.parametrize("name", ["input", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0", "decay_l0"])
def test_every_gradient_counts(name: str) -> None:
    check = checked("liaf")
    check.gradients[name] = check.gradients[name] + 1e-6
    assert check("training").where == f"gradient of {name}"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda y, h, c: (y * float("nan"), h, c), "not finite"),
        (lambda y, h, c: (y[1:], h, c), "shape or dtype"),
        (lambda y, h, c: (y, h, c.float()[:, :1]), "shape or dtype"),
    ],
)
def test_what_cannot_be_compared_is_wrong(change: Any, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = checked("liaf")
    perturb(monkeypatch, change)
    verdict = check("inference")
    assert not verdict.ok
    assert where in verdict.where


def test_only_what_follows_a_close_call_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a margin so wide that some potentials lie within it."""
    tolerance = checking.TOLERANCES["float64"]
    wide = Tolerance(tolerance.output, tolerance.gradient, margin=4e-3)
    monkeypatch.setitem(checking.TOLERANCES, "float64", wide)
    c = config()
    shape = Shape(16, 12, 3, 8)
    check = Check(build("lif", shape, c), shape, c)
    keep = check.keep
    assert 0 < check.compared < 1
    assert bool((keep[1:] <= keep[:-1]).all())  # nothing counts again after it has been left out
    assert check("training").ok
    with monkeypatch.context() as patch:
        perturb(patch, lambda y, h, c: (y + (~keep).unsqueeze(-1), h, c))
        assert check("training").ok
    row = int(keep.sum(0).argmin())
    last = int(keep[:, row].sum()) - 1
    assert last >= 0
    mark = torch.zeros_like(keep, dtype=torch.float64)
    mark[last, row] = 1e-6
    perturb(monkeypatch, lambda y, h, c: (y + mark.unsqueeze(-1), h, c))
    assert not check("inference").ok


def test_final_states_are_compared_where_no_sequence_counts_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = checked("lif")
    check.keep[-2:] = False
    assert check("inference").ok
    perturb(monkeypatch, lambda y, h, c: (y, h, c + 1e-6))
    assert check("inference").where == "c_n"


def test_too_little_to_compare_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checking.TOLERANCES, "float64", Tolerance(1.0, 1.0, margin=100.0))
    verdict = checked("lif")("training")
    assert not verdict.ok
    assert "too few" in verdict.where


@pytest.mark.parametrize(
    ("fault", "status"), [(lambda *_: 1 / 0, "failed"), (lambda y, h, c: (y + 1, h, c), "wrong")]
)
def test_what_is_wrong_gets_no_speed(fault: Any, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    perturb(monkeypatch, fault)
    rows = runner.bench(config(models=("liaf", "gru")))
    for row in rows:
        fine = row.model != "liaf"
        assert row.status == ("ok" if fine else status)
        assert (row.speed is not None) == fine
    assert [row.is_wrong for row in rows] == [True, False, False] * 2


def test_what_goes_wrong_while_it_is_timed_gets_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def late(y: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        calls.append(1)
        return y + (len(calls) > 4), h, c

    perturb(monkeypatch, late)
    first, *_ = runner.bench(config(models=("liaf", "gru"), modes=("inference",)))
    assert first.status == "wrong"
    assert first.speed is None


def test_rows() -> None:
    groups: list[int] = []
    rows = runner.bench(config(models=("lif", "gru", "lstm")), lambda group: groups.append(len(group)))
    assert groups == [4, 4]
    assert [row.model for row in rows[:4]] == ["lif", "gru", "lstm", "floor"]
    assert set(rows[0].speed.ratios) == {"gru", "lstm", "floor", "limit"}
    assert set(rows[3].speed.ratios) == {"gru", "lstm", "limit"}
    assert len(rows[0].speed.times) == 2
    for row in rows:
        for other, ratio in row.speed.ratios.items():
            assert ratio.q1 <= ratio.median <= ratio.q3, other


def test_each_layer_has_the_floor_and_the_limit_of_its_own_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that knows how long each competitor takes."""
    taken = {
        "liaf": 1.0,
        "wide": 2.0,
        "shared": 1.5,
        "gru": 3.0,
        "lstm": 4.0,
        "floor": 0.5,
        "floor, 7 rows": 0.6,
        "floor, gated": 0.8,
        "limit": 8.0,
    }
    monkeypatch.setattr(
        runner, "time_rounds", lambda steps, *_: {label: [taken[label]] * 2 for label in steps}
    )
    rows = runner.bench(
        config(models="liaf,wide=liaf:gated=true,shared=liaf:gated=true:neurons_per_gate=4,gru,lstm")
    )
    n, t, i, h = 4, 6, 3, 5
    own = 2 * n * t * (i + h)
    weights = {"liaf": h, "wide": 2 * h, "shared": h + 2, "gru": 3 * h, "lstm": 4 * h}
    weights |= {"floor": h, "floor, 7 rows": h + 2, "floor, gated": 2 * h}
    for row in rows:
        passes = 3 if row.mode == "training" else 1
        assert row.operations == passes * weights[row.model] * own
        limit = 8.0 * row.operations / (2 * 16**3)
        assert row.speed.ratios["limit"].median == pytest.approx(limit / taken[row.model])
        floors = {"wide": 0.8, "shared": 0.6} | dict.fromkeys(list(weights)[5:])
        expected = floors.get(row.model, 0.5)
        found = row.speed.ratios.get("floor")
        assert (found and found.median) == (expected and pytest.approx(expected / taken[row.model]))
    assert [row.model for row in rows[:8]] == list(weights)
    assert {row.name for row in rows if row.model.startswith("floor")} == {"floor"}


def test_a_model_with_settings_is_a_row_of_its_own(tmp_path: Path) -> None:
    c = config(models="liaf,wide=liaf:gated=true:surrogate-width=0.8", modes="inference", memory=True)
    bench = runner.start(c).having("results", runner.bench(c)).having("memory", runner.memory(c, SHAPE))
    assert [(row.model, row.name) for row in bench.results[:2]] == [("liaf", "liaf"), ("wide", "liaf")]
    assert bench.results[0].firing_rate != bench.results[1].firing_rate
    assert all(row.check.ok for row in bench.results[:2])
    assert [row.model for row in bench.memory] == ["liaf", "wide", "gru"]
    assert Bench.read(bench.write(tmp_path / "bench.json")) == bench


@pytest.mark.parametrize("label", ["gru", "lstm", "norse", "floor", "limit"])
def test_what_ratios_are_made_against_keeps_its_name(label: str) -> None:
    with pytest.raises(ValueError, match=f"models: {label} is the name of another row"):
        config(models=f"{label}=liaf")


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    runner.bench(config(models=("gru",), threads=before + 1, modes=("inference",)))
    assert torch.get_num_threads() == before


def test_each_round_times_each_once_in_rotating_order() -> None:
    calls: list[str] = []
    steps = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = timing.time_rounds(steps, 3, 0.0, lambda: None)
    assert "".join(calls[9:]) == "abcbcacab"  # after two warming and one probing call of each
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3, "c": 3}


def test_repeats_last_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that only the step moves on."""
    now = [0.0]

    def step() -> None:
        now[0] += 0.003

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    repeats = timing.repeats_for(step, 0.2, lambda: None)
    assert 0.2 <= 0.003 * repeats < 0.4
    assert timing.measure(step, 10, lambda: None) == pytest.approx(0.003)


def test_floor_multiplies_once_a_step() -> None:
    """Counted from outside: products and their multiplications."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.products: list[int] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket is torch.ops.aten.mm:
                self.products.append(args[0].shape[0] * args[0].shape[1] * args[1].shape[1])
            return func(*args, **(kwargs or {}))

    n, t, i, h = 4, 6, 3, 5
    for rows in (h, h + 2, 2 * h):
        forward = [n * t * i * rows] + [n * h * rows] * t
        backward = [n * h * rows] * t + [n * t * i * rows, n * t * i * rows, n * t * h * rows]
        for mode, expected in (("inference", forward), ("training", forward + backward)):
            step = floor_step(SHAPE, config(), mode, rows)
            with Count() as count:
                step()
            assert count.products == expected
            size = floor.floor_weights(SHAPE, rows)
            assert floor.operations(size, SHAPE, mode) == 2 * sum(expected)


def test_a_training_step_makes_every_gradient_anew() -> None:
    layer, x = build("gru", SHAPE, config()), draw(SHAPE, config())
    step = layer_step(layer, (x,), "training")
    step()
    first = x.grad.clone()
    step()
    assert torch.equal(x.grad, first)
    assert all(p.grad is not None for p in layer.parameters())


class _Known(nn.Module):
    """Keeps one tensor of the input's size for the backward pass beside its output."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.exp().exp()
        return y, y


def test_memory_of_a_known_layer() -> None:
    x = torch.randn(64, 32, 16, requires_grad=True)
    found = training_memory(_Known(), x)
    size = x.numel() * 4
    assert found.kept == size
    assert 3 * size <= found.extra <= 4 * size


def test_memory_counts_numpy() -> None:
    import numpy as np

    class Keeps(_Known):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            self.array = np.zeros(100_000)
            return super().forward(x)

    x = torch.randn(8, requires_grad=True)
    found = training_memory(Keeps(), x)
    assert found.kept is not None
    assert 800_000 <= found.kept <= found.extra < 900_000


def test_memory_of_layers() -> None:
    rows = runner.memory(config(models=("liaf", "gru"), dtype="float32"), Shape(8, 16, 8, 32))
    liaf, gru = rows
    assert liaf.model == "liaf"
    # at least the potentials of all steps; the GRU keeps several such tensors
    assert 8 * 16 * 32 * 4 <= liaf.kept_bytes < gru.kept_bytes


@pytest.mark.exhaustive
def test_first_call() -> None:
    found = first_call.first_call(as_spec("gru"), SHAPE, config())
    assert found.model == "gru"
    assert all(value > 0 for value in (found.first, found.later))


def test_a_first_call_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nValueError: no such thing\n")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: failed)  # noqa: ARG005
    with pytest.raises(RuntimeError, match="fresh process: ValueError: no such thing"):
        first_call.first_call(as_spec("gru"), SHAPE, config())


def test_a_sweep_is_drawn_without_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw_text = RendererAgg.draw_text

    def spy(self: RendererAgg, gc: Any, x: float, y: float, text: str, *rest: Any, **more: Any) -> None:
        drawn.append(text)
        draw_text(self, gc, x, y, text, *rest, **more)

    monkeypatch.setattr(RendererAgg, "draw_text", spy)
    sweep = Sweep.parse("T=2,4")
    median = Quartiles(median=0.1, q1=0.1, q3=0.1)
    speed = Speed(seconds=median, times=(0.1,), ratios={})
    rows = [
        Timing(shape=shape, mode="training", model=model, name=model, status="ok", speed=speed)
        if model != "liaf"
        else Timing(shape=shape, mode="training", model=model, name=model, status="wrong")
        for shape in sweep.shapes(SHAPE)
        for model in ("liaf", "gru", "norse", "floor")
    ]
    assert plots.sweep_plot(sweep, rows).startswith(b"\x89PNG")
    assert {"gru", "milliseconds", "100"} <= set(drawn)
    assert "liaf" not in drawn
    assert not [text for text in drawn if "$" in text]


def test_shapes() -> None:
    assert config(shapes=" 1x2x3x4,5x6x7x8, 1x2x3x4").shapes == (Shape(1, 2, 3, 4), Shape(5, 6, 7, 8))
    sizes = [shape.hidden for shape in config(sweep="H").measured]
    assert sizes == sorted(sizes)
    assert len(sizes) > 1


def test_one_step_of_layers_and_cells() -> None:
    rows = one_step(config(models="liaf,wide=liaf:gated=true,rnn,gru"))
    parts = [(label, part) for label in ("liaf", "wide", "rnn", "gru", "lstm") for part in ("layer", "cell")]
    assert [(row.model, row.part) for row in rows] == 2 * parts
    assert [row.mode for row in rows] == ["training"] * 10 + ["inference"] * 10
    for row in rows:
        assert set(row.speed.ratios) == {"lstm", "gru"} - {row.model}
        assert len(row.speed.times) == 2


def test_one_step_is_one_of_one_sequence_with_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    right = ops.recurrence
    monkeypatch.setattr(ops, "recurrence", lambda call: seen.append(call) or right(call))
    one_step(config(models="liaf", modes="training", rounds=1))
    assert {(tuple(call.input.shape), call.sizes) for call in seen} == {((1, 64), (1,))}
    assert any(call.state.u is not None and bool(call.state.u.any()) for call in seen)


def test_a_model_without_a_cell_has_the_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("somewhere")
    package.Own = type("Own", (nn.GRU,), {})
    monkeypatch.setitem(sys.modules, "somewhere", package)
    rows = one_step(config(models=(ModelSpec(name="somewhere:Own", label="own"), "gru"), modes="inference"))
    assert [row.part for row in rows if row.model == "own"] == ["layer"]


def test_a_layer_of_torch_that_cannot_be_used_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As its LSTM in float16, on some processors."""

    def fails(*_: Any) -> None:
        raise RuntimeError("could not create a\nprimitive")

    monkeypatch.setattr(nn.LSTM, "forward", fails)
    c = config(models="lif,lstm,gru", modes=("inference",))
    rows = {row.model: row for row in runner.bench(c)}
    assert (rows["lstm"].status, rows["lstm"].speed) == ("unusable", None)
    assert rows["lstm"].error == "lstm: RuntimeError: could not create a primitive"
    assert set(rows["lif"].speed.ratios) == {"gru", "floor", "limit"}
    parts = {(row.model, row.part): row for row in one_step(c)}
    assert ("lstm", "layer") not in parts
    assert set(parts["lif", "cell"].speed.ratios) == {"lstm", "gru"}
    assert set(parts["lif", "layer"].speed.ratios) == {"gru"}


def _package(monkeypatch: pytest.MonkeyPatch, layer: Any) -> None:
    """A package called norse whose LIFRecurrent is ``layer``."""
    for name in ("norse", "norse.torch"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["norse.torch"].LIFRecurrent = layer


def test_a_peer_is_timed_beside_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    _package(monkeypatch, nn.RNN)
    rows = runner.bench(config(models=("lif", "gru"), peers=("norse",), modes=("inference",)))
    assert [row.model for row in rows] == ["lif", "gru", "norse", "floor"]
    assert "norse" in rows[0].speed.ratios
    assert rows[2].check is None
    assert rows[2].firing_rate is not None


@pytest.mark.parametrize("name", [name for name in peers.PEERS if name not in peers.SPIKING])
def test_a_peer_without_spikes_has_no_firing_rate(name: str) -> None:
    if name not in peers.installed_peers():
        pytest.skip(f"{name} is not installed")
    rows = runner.bench(config(models=("gru",), peers=(name,), modes=("training",)))
    (row,) = (row for row in rows if row.model == name)
    assert (row.status, row.firing_rate) == ("ok", None)


def test_a_peer_that_cannot_be_used_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(nn.Module):
        def __init__(self, inputs: int, hidden: int) -> None:
            raise AttributeError("no such version")

    _package(monkeypatch, Broken)
    rows = runner.bench(config(models=("lif", "gru"), peers=("norse",), modes=("inference",)))
    (row,) = (row for row in rows if row.model == "norse")
    assert row.status == "unusable"
    assert "no such version" in row.error
    assert not any(row.is_wrong for row in rows)
