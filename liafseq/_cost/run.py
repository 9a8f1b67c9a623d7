"""The one function: run a model on a batch and count what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]
from torch.nn.utils.rnn import PackedSequence

from liafseq._cost import measure
from liafseq._cost.counting_mode import CountingMode
from liafseq._cost.module_records import RECURRENT, Record, Watch, batch_size
from liafseq._cost.products import Counts
from liafseq._cost.result import HOROWITZ, Cost, EnergyModel, LayerCost
from liafseq._cost.weight_origins import Origins, tensors_in

__all__ = ["cost"]

# modules that pass on what they are given, in evaluation mode
_PASS_ON = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Flatten, nn.Unflatten)


def cost(
    model: nn.Module,
    batch: Any,
    *,
    samples: int | None = None,
    energy: EnergyModel = HOROWITZ,
    max_spike: int = 15,
    timed: bool = False,
    repeats: int = 5,
) -> Cost:
    """What a model costs on a batch, per sample: weights, operations, spikes, energy.

    The model runs once, in evaluation mode and without gradients, while a dispatch mode counts the
    matrix products and convolutions among the operations that torch runs, those of nn.RNN, GRU, LSTM,
    of attention and of liafseq's layers included. A product with an input x and fan-out F is

        F |x|   accumulates             where the operand is spikes: whole numbers up to ``max_spike``
                                        all over, found by value
        F       multiply-accumulates    where it is not, and x != 0
        nothing                         x = 0, padding

    and F multiply-accumulates in ``dense_macs`` in each of these cases. The parts of an operand that was
    concatenated (``torch.cat``) are looked at one by one. In a product of two activations
    (attention) a term counts where both are not zero. Energy is ``macs`` and ``acs`` times the energy
    of one; everything else that a device spends, above all on memory, is not in it. Nothing of the
    model is changed: its mode, buffers, hooks and random numbers are afterwards what they were.

    Args:
        model: any module. In place of a compiled one the module that it was made from is counted.
        batch: the argument of the model; a tuple holds several arguments, a mapping keyword arguments.
        samples: how many samples the batch holds. By default the sequences of a PackedSequence, or the
            first dimension of the first tensor of two dimensions or more; where the model is itself a
            recurrent layer, as its ``batch_first`` says.
        energy: the energy of one operation.
        max_spike: the largest size of a spike, see above.
        timed: measure also time and memory, in separate runs without the counter.
        repeats: runs of which the median time is taken.

    Returns:
        A :class:`Cost`; ``print`` shows it as a table.

    Raises:
        ValueError: the number of samples cannot be told, or is not that of a recurrent layer inside
            (give ``samples``), or the model has no numbers yet (lazy or on the meta device).
        TypeError: an argument of a wrong type.

    >>> from torch import nn
    >>> found = cost(nn.Linear(10, 20), torch.ones(4, 10) / 2)
    >>> found.macs, found.acs, found.weights, round(found.energy_nj, 6)
    (200, 0, 200, 0.92)
    >>> cost(nn.Linear(10, 20), torch.ones(4, 10)).acs
    200
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model should be an nn.Module, got: {type(model).__name__}")
    if not isinstance(energy, EnergyModel):
        raise TypeError(f"energy should be an EnergyModel, got: {type(energy).__name__}")
    for name, value, least in (("samples", samples, 1), ("max_spike", max_spike, 0), ("repeats", repeats, 1)):
        if value is None and name == "samples":
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} should be a whole number, got: {type(value).__name__}")
        if value < least:
            raise ValueError(f"{name} should be at least {least}, got: {value}")
    # torch.compile's wrapper
    model = getattr(model, "_orig_mod", model)
    _check_numbers(model)
    args, kwargs = _arguments(batch)
    tensors = list(tensors_in((args, kwargs)))
    number = _samples(model, (*args, *kwargs.values())) if samples is None else samples

    def call() -> Any:
        return model(*args, **kwargs)

    watch = Watch(model)
    with _undisturbed(model, tensors):
        mode = CountingMode(Origins(model, tensors), max_spike, watch.count, watch.count_spikes)
        with _seen_through(), watch.on(), mode:
            call()
        if samples is None:
            _check_samples(number, watch)
        time = memory = None
        if timed:
            device = next((t.device for t in [*model.parameters(), *tensors]), torch.device("cpu"))
            time = measure.seconds(call, repeats, device) / number
            memory = measure.peak_bytes(call, device)
    return _result(model, watch, mode, number, energy, time, memory)


def _arguments(batch: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(batch, Mapping):
        return (), dict(batch)
    if isinstance(batch, tuple) and not isinstance(batch, PackedSequence):
        return tuple(batch), {}
    return (batch,), {}


def _check_numbers(model: nn.Module) -> None:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, UninitializedTensorMixin):
            raise ValueError(f"{name} has no shape yet: run the lazy model once before its cost is asked for")
        if tensor.is_meta:
            raise ValueError(f"{name} is on the meta device: costs depend on values, which it has not")


def _samples(model: nn.Module, values: tuple[Any, ...]) -> int:
    for value in values:
        if isinstance(value, PackedSequence) or (isinstance(model, RECURRENT) and isinstance(value, Tensor)):
            found = batch_size(model, value)
        else:
            found = next((t.size(0) for t in tensors_in(value) if t.dim() > 1), None)
        if found:
            return found
    raise ValueError("the number of samples cannot be told from the batch: give samples=")


def _check_samples(number: int, watch: Watch) -> None:
    for record in watch.records.values():
        for batch in record.batches:
            if batch != number:
                raise ValueError(
                    f"the batch seems to hold {number} samples, but {record.name} is given {batch} "
                    "sequences: give samples="
                )


@contextmanager
def _undisturbed(model: nn.Module, tensors: list[Tensor]) -> Iterator[None]:
    """In evaluation mode, without gradients; afterwards mode, buffers and random state are as before."""
    training = {module: module.training for module in model.modules()}
    buffers = [
        (module, name, buffer, buffer.clone(), _version(buffer))
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    devices = {t.device.index for t in [*model.parameters(), *tensors] if t.device.type == "cuda"}
    try:
        with torch.random.fork_rng(sorted(devices)), torch.no_grad():
            # not by eval(), which a model may have made into more
            for module in training:
                module.training = False
            yield
    finally:
        for module, mode in training.items():
            module.training = mode
        for module, name, buffer, before, version in buffers:
            if version is None or version != _version(buffer):
                with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                    buffer.copy_(before)
            module._buffers[name] = buffer


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to; not kept for one that was made in inference mode."""
    return None if tensor.is_inference() else tensor._version


@contextmanager
def _seen_through() -> Iterator[None]:
    """Without the fused operations whose products could not be seen."""
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        for read, write in (
            (torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled),
            (torch._C._get_cudnn_enabled, torch._C._set_cudnn_enabled),
            (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
        ):
            stack.callback(write, read())
            write(False)
        yield


def _result(
    model: nn.Module,
    watch: Watch,
    mode: CountingMode,
    samples: int,
    energy: EnergyModel,
    time: float | None,
    memory: int | None,
) -> Cost:
    def each(total: int) -> float:
        return total // samples if total % samples == 0 else total / samples

    ran = [r for r in watch.records.values() if _is_shown(r)]
    total = Counts()
    for record in ran:
        total = total.plus(record.counts)
    return Cost(
        samples=samples,
        parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        weights=sum(mode.weights.values()),
        macs=each(total.macs),
        acs=each(total.acs),
        dense_macs=each(total.dense_macs),
        neuron_ops=each(sum(r.neuron_ops for r in ran)),
        firing_rate=_rate([r for r in ran if r.spiking]),
        crossing_rate=_rate(ran),
        energy=energy,
        layers=tuple(_layer(record, each) for record in ran),
        uncounted=tuple(sorted(mode.uncounted)),
        seconds=time,
        peak_memory=memory,
    )


def _is_shown(record: Record) -> bool:
    """A module that computed products, neurons or, without parts of its own, anything."""
    leaf = next(record.module.children(), None) is None and not isinstance(record.module, _PASS_ON)
    return record.counts.dense_macs > 0 or record.updates > 0 or (leaf and record.outputs > 0)


def _rate(records: list[Record]) -> float | None:
    updates = sum(r.updates for r in records)
    return sum(r.crossings for r in records) / updates if updates else None


def _layer(record: Record, each: Callable[[int], float]) -> LayerCost:
    rate = _rate([record])
    return LayerCost(
        name=record.name,
        kind=type(record.module).__name__,
        macs=each(record.counts.macs),
        acs=each(record.counts.acs),
        dense_macs=each(record.counts.dense_macs),
        neuron_ops=each(record.neuron_ops),
        firing_rate=rate if record.spiking else None,
        crossing_rate=rate,
        sparsity=record.zeros / record.outputs if record.outputs else None,
    )
