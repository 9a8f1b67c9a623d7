"""The contract of nn.RNN, nn.GRU and nn.LSTM, once for every spiking layer."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter, init
from torch.nn.utils.rnn import PackedSequence

from liafseq._modules.spiking import SpikingModule, orthogonalize, packed_sizes, uniform_bound
from liafseq._modules.time_loop import autocast_enabled, run_direction
from liafseq.ops import Steps
from liafseq.options import Options
from liafseq.padding import Padded

__all__ = ["SpikingRNNBase", "check_state_type"]


def check_state_type(module: SpikingModule, hx: Any) -> None:
    """Whether a given state is what the module's ``state_format`` says."""
    name = type(module).__name__
    if module.state_format == "gru":
        if not isinstance(hx, Tensor):
            raise TypeError(
                f"{name}: with state_format='gru' hx should be one tensor, the membrane potential, "
                f"got: {type(hx).__name__}"
            )
    elif not (isinstance(hx, (tuple, list)) and len(hx) == 2 and all(isinstance(s, Tensor) for s in hx)):
        raise TypeError(
            f"{name}: hx should be a pair (h_0, c_0) of tensors, or use state_format='gru' for one tensor; "
            f"got: {type(hx).__name__}"
        )


class SpikingRNNBase(SpikingModule, nn.RNNBase):
    """Everything of a spiking layer that nn.GRU or nn.LSTM has too.

    It is an ``nn.RNNBase`` for code that looks for recurrent layers, but keeps none of its
    flat-weight bookkeeping: parameters are looked up by name at each call, so that parametrised,
    replaced and functional ones are the ones used.
    """

    proj_size = 0

    # undo nn.RNNBase's bookkeeping for cuDNN
    __setattr__ = nn.Module.__setattr__  # type: ignore[assignment]
    _apply = nn.Module._apply
    _replicate_for_data_parallel = nn.Module._replicate_for_data_parallel

    def _build(
        self,
        options: Options,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        device: Any,
        dtype: torch.dtype | None,
    ) -> None:
        """What the constructors do; errors and warning as of nn.RNNBase."""
        nn.Module.__init__(self)
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] "
                "representing the probability of an element being "
                "zeroed"
            )
        if dropout > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last "
                "recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=3,
            )
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int):
                raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        self.mode = type(self).__name__
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self._configure(options)
        self._create_parameters({"device": device, "dtype": dtype})
        self.reset_parameters()

    def _suffixes(self) -> list[str]:
        directions = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{direction}" for layer in range(self.num_layers) for direction in directions]

    def _create_parameters(self, factory: dict[str, Any]) -> None:
        hidden = self.hidden_size
        directions = 2 if self.bidirectional else 1
        self._all_weights: list[list[str]] = []
        for index, suffix in enumerate(self._suffixes()):
            inputs = self.input_size if index < directions else hidden * directions
            rows = self.options.rows(hidden)
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inputs)}
            if self.neuron.feedback is not None:
                shapes["weight_hh"] = (rows, hidden)
            if self.bias:
                shapes["bias_ih"] = (rows,)
                if self.neuron.feedback is not None:
                    shapes["bias_hh"] = (rows,)
            for name, shape in shapes.items():
                self.register_parameter(name + suffix, Parameter(torch.empty(shape, **factory)))
            self._all_weights.append([name + suffix for name in shapes])
        for suffix in self._suffixes():
            self._create_traits(suffix, hidden, factory)

    def reset_parameters(self) -> None:
        """Initialise all parameters anew.

        Weights and biases are drawn from U(-k, k), k = 1/sqrt(hidden_size), in the order and
        with the random numbers of nn.RNN; ``recurrent_init="orthogonal"`` then replaces each
        W_hh by its orthogonal factor, without the rows of a gate. The neuron's numbers come last.
        """
        bound = uniform_bound(self.hidden_size)
        for names in self._all_weights:
            for name in names:
                init.uniform_(getattr(self, name), -bound, bound)
        if self.options.recurrent_init == "orthogonal":
            for names in self._all_weights:
                for name in names:
                    if name.startswith("weight_hh"):
                        orthogonalize(getattr(self, name)[: self.hidden_size])
        for suffix in self._suffixes():
            self._reset_traits(suffix)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """Weights and biases, one list per layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing to do: kept for code written for nn.GRU and nn.LSTM."""

    def extra_repr(self) -> str:
        return super().extra_repr() + self._options_repr()

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        weight = getattr(self, f"weight_ih{self._suffixes()[0]}")
        if input.dtype != weight.dtype and not autocast_enabled(input):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.size(-1)}"
            )

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        return self.get_expected_hidden_size(input, batch_sizes)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        if self.state_format == "gru":
            self.check_hidden_size(hidden, expected)
        else:
            for i, state in enumerate(hidden):
                self.check_hidden_size(state, expected, f"Expected hidden[{i}] size {{}}, got {{}}")

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        if permutation is None:
            return hx
        if isinstance(hx, Tensor):
            return hx.index_select(1, permutation)
        return tuple(state.index_select(1, permutation) for state in hx)

    def _check_state(self, hx: Any, input: Tensor, batched: bool) -> None:
        """Type and rank of a given state, with the messages of nn.GRU and nn.LSTM."""
        check_state_type(self, hx)
        states = (hx,) if isinstance(hx, Tensor) else hx
        rank, kind = (3, "batched 3-D") if batched else (2, "unbatched 2-D")
        got = [f"{state.dim()}-D" for state in states]
        if any(state.dim() != rank for state in states):
            if len(states) == 1:
                raise RuntimeError(f"For {kind} input, hx should also be {rank}-D but got {got[0]} tensor")
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {rank}-D but got ({', '.join(got)}) tensors"
            )
        if any(s.dtype != input.dtype for s in states) and not autocast_enabled(input):
            kinds = ", ".join(str(s.dtype) for s in states)
            raise RuntimeError(f"hx dtype ({kinds}) does not match input dtype ({input.dtype})")

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run over a sequence; see the class for shapes."""
        packed = input if isinstance(input, PackedSequence) else None
        input, lengths = input if isinstance(input, Padded) else (input, None)
        if packed is not None:
            x, batch_sizes, sorted_indices, unsorted_indices = packed
            sizes = packed_sizes(self, batch_sizes)
            batched = True
        else:
            x, batch_sizes, sorted_indices, unsorted_indices, sizes = input, None, None, None, None
            if x.dim() not in (2, 3):
                raise ValueError(
                    f"{type(self).__name__}: Expected input to be 2D or 3D, got {x.dim()}D instead"
                )
            batched = x.dim() == 3
            if not batched:
                x = x.unsqueeze(0 if self.batch_first else 1)
        self.check_input(x, batch_sizes)
        batch = sizes[0] if sizes is not None else x.size(0 if self.batch_first else 1)
        if hx is not None:
            self._check_state(hx, x, batched)
            if not batched:
                hx = hx.unsqueeze(1) if isinstance(hx, Tensor) else tuple(s.unsqueeze(1) for s in hx)
            self.check_forward_args(x, hx, batch_sizes)
            hx = self.permute_hidden(hx, sorted_indices)
        if sizes is None:
            x = x.transpose(0, 1) if self.batch_first else x
            if x.size(0) == 0:
                raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        h0, c0 = (None, hx) if self.state_format == "gru" or hx is None else hx
        x, h_n, c_n = self._run(x, h0, c0, batch, Steps(sizes, lengths=lengths))

        if packed is not None:
            output: Any = PackedSequence(x, batch_sizes, sorted_indices, unsorted_indices)
        else:
            output = x.transpose(0, 1) if self.batch_first else x
        state: Any = c_n if self.state_format == "gru" else (h_n, c_n)
        state = self.permute_hidden(state, unsorted_indices)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            state = state.squeeze(1) if isinstance(state, Tensor) else tuple(s.squeeze(1) for s in state)
        return output, state

    def _run(
        self, x: Tensor, h0: Tensor | None, c0: Tensor | None, batch: int, steps: Steps
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All layers and directions over time-major or packed data."""
        directions = 2 if self.bidirectional else 1
        suffixes = self._suffixes()
        h_n, c_n = [], []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                i = layer * directions + direction
                y, h, c = run_direction(
                    self,
                    x,
                    suffixes[i],
                    None if h0 is None else h0[i],
                    None if c0 is None else c0[i],
                    batch,
                    steps._replace(reverse=direction == 1),
                )
                outputs.append(y)
                h_n.append(h)
                c_n.append(c)
            x = outputs[0] if directions == 1 else torch.cat(outputs, -1)
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, torch.stack(h_n), torch.stack(c_n)
