"""What each module of a model does while it runs: its products, what it emits, how often it spikes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._python_dispatch import _disable_current_modes

from liafseq._cost.products import Counts
from liafseq._cost.weight_origins import tensors_in
from liafseq._modules.conv import TemporalConv2d
from liafseq._modules.spiking import SpikingModule

__all__ = ["RECURRENT", "Record", "Watch", "batch_size"]

RECURRENT = (nn.RNNBase, nn.RNNCellBase, SpikingModule, TemporalConv2d)


@dataclass
class Record:
    """Sums over the run of one module, what its parts did left out."""

    name: str
    module: nn.Module
    counts: Counts = field(default_factory=Counts)
    other_ops: int = 0
    comparisons: int = 0
    """Of membrane potentials of a liafseq layer with one of its thresholds."""
    crossings: int = 0
    """Thresholds crossed, which a spiking layer emits as its spikes."""
    outputs: int = 0
    zeros: int = 0
    batches: set[int] = field(default_factory=set)
    """Sizes of the batches that a recurrent layer was given."""

    @property
    def updates(self) -> int:
        """Neurons times steps of a liafseq layer."""
        return self.comparisons // self.module.neuron.levels if isinstance(self.module, SpikingModule) else 0

    @property
    def neuron_ops(self) -> int:
        return self.other_ops + self.updates * _update_ops(self.module)

    @property
    def spiking(self) -> bool:
        """Whether it is a liafseq layer that emits spikes."""
        return isinstance(self.module, SpikingModule) and not self.module.neuron.analog


class Watch:
    """Hooks on all modules of a model, to be used with :meth:`on`.

    Attributes:
        records: a Record for each module, in the model's order, under the module's name.
    """

    def __init__(self, model: nn.Module) -> None:
        self.records = {
            module: Record(name or type(model).__name__, module) for name, module in model.named_modules()
        }
        self._model = model
        self._running: list[nn.Module] = []

    @property
    def current(self) -> Record:
        """Of the innermost module that runs."""
        return self.records[self._running[-1] if self._running else self._model]

    def count(self, counts: Counts) -> None:
        record = self.current
        record.counts = record.counts.plus(counts)

    def count_spikes(self, neurons: int, crossed: int | None) -> None:
        record = self.current
        if crossed is None:
            # a product and a sum
            record.other_ops += 2 * neurons
        else:
            record.comparisons += neurons
            module = record.module
            if not isinstance(module, SpikingModule) or module.neuron.fires:
                record.crossings += crossed

    @contextmanager
    def on(self) -> Iterator[None]:
        """With the hooks in place; they are gone after it, whatever happens."""
        handles = []
        try:
            for module in self.records:
                if isinstance(module, torch.jit.ScriptModule):
                    continue  # takes no hooks: its products are its parent's
                handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
                handles.append(module.register_forward_hook(self._after, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._running.clear()

    def _before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self._running.append(module)
        if isinstance(module, RECURRENT) and not _transformed():
            x = args[0] if args else kwargs.get("input")
            batch = batch_size(module, x)
            if batch is not None:
                self.records[module].batches.add(batch)

    def _after(self, module: nn.Module, _: Any, output: Any) -> None:
        self._running.pop()
        if _transformed():
            return
        emitted = _emitted(module, output)
        if emitted is None:
            return
        record = self.records[module]
        with _disable_current_modes():
            record.outputs += emitted.numel()
            record.zeros += emitted.numel() - int(torch.count_nonzero(emitted))
            if not isinstance(module, SpikingModule):
                record.other_ops += _gate_ops(module, emitted)


def _transformed() -> bool:
    """Whether a function transform (vmap) hides the values from a module's hooks."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def batch_size(module: nn.Module, x: Any) -> int | None:
    """How many sequences a recurrent layer or cell is given; None where that cannot be told.

    >>> batch_size(nn.GRU(3, 4), torch.zeros(7, 2, 3)), batch_size(nn.GRUCell(3, 4), torch.zeros(5, 3))
    (2, 5)
    """
    if isinstance(x, PackedSequence):
        return int(x.batch_sizes[0])
    if not isinstance(x, Tensor):
        return None
    # of one sequence or one step without a dimension for the batch
    alone = 2 if isinstance(module, nn.RNNBase) else 4 if isinstance(module, TemporalConv2d) else 1
    if x.dim() <= alone:
        return 1
    return x.size(0 if getattr(module, "batch_first", True) else 1)


def _update_ops(module: nn.Module) -> int:
    """Operations of one neuron in one step: alpha R, + I, a comparison per threshold, + beta, - theta s.

    Of a gated one with a normalised current also (1 - alpha_t) I. Activations are not counted.
    """
    if not isinstance(module, SpikingModule):
        return 0
    has_leak = any(trait.name == "leak" for trait in module._traits)
    scaled = 2 if module.options.gated and module.options.normalize_current else 0
    thresholds = module.neuron.levels if module.neuron.fires else 0
    return 2 + thresholds + has_leak + (module.neuron.reset == "soft") + scaled


def _gate_ops(module: nn.Module, output: Tensor) -> int:
    """Operations of the gates of torch's layers: 4 per unit and step for GRU and LSTM.

    GRU: r * W h, n + z * (h - n); LSTM: f * c + i * g, o * tanh(c). Activations are not counted.
    """
    if isinstance(module, (nn.GRU, nn.LSTM)):
        directions = 2 if module.bidirectional else 1
        width = directions * (module.proj_size or module.hidden_size)
        rows = output.numel() // width
        return 4 * rows * directions * module.hidden_size * module.num_layers
    return 4 * output.numel() if isinstance(module, (nn.GRUCell, nn.LSTMCell)) else 0


def _emitted(module: nn.Module, output: Any) -> Tensor | None:
    """What a module gives to the next one: the first tensor of its output, if of floating point."""
    first = next(tensors_in(output), None)
    if first is None or not first.is_floating_point():
        return None
    if isinstance(module, SpikingModule) and module.state_format == "gru" and not isinstance(output, tuple):
        # a cell gives its membrane potential alone
        with _disable_current_modes():
            return module.emit(first)
    return first
