"""What the convolutional layers share: nn.Conv2d's contract, maps over time, packing, the synapse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from liafseq import ops
from liafseq._modules.parameters import Trait, TraitModule
from liafseq._modules.spiking import options_repr, packed_sizes
from liafseq._modules.time_loop import membrane_dtype, scaled, scaled_bias
from liafseq.neurons import Neuron
from liafseq.ops import Call, Numbers, State, Steps, Weights
from liafseq.ops.reference import spread
from liafseq.options import Kind, Options
from liafseq.padding import Padded

__all__ = ["Layout", "TemporalConv2d", "apart", "over_time", "side_by_side", "to_maps", "to_rows"]

# s is 0 under a threshold out of reach: what is left is u_t = lambda u_{t-1} + I_t
_INTEGRATOR = Neuron(activation="identity", feedback=None, detach_reset=True)


def to_rows(maps: Tensor) -> Tensor:
    """Maps (n, C, H, W) as (n * H * W, C): a column per channel; no copy of channels-last memory."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def to_maps(rows: Tensor, height: int, width: int) -> Tensor:
    """The inverse of ``to_rows``; further leading dimensions stay."""
    return rows.unflatten(-2, (-1, height, width)).movedim(-1, -3)


def over_time(module: Any, x: Any) -> Any:
    """A module that knows no time, applied to each step: the first two dimensions are one to it.

    Args:
        module: anything that takes (batch, ...) and returns a tensor (batch, ...).
        x: (T, N, ...) or (N, T, ...), or a ``PackedSequence``, whose data have one already.

    Returns:
        (T, N, ...) or (N, T, ...), or a ``PackedSequence``.

    >>> over_time(nn.AvgPool2d(2), torch.zeros(6, 3, 8, 34, 34)).shape
    torch.Size([6, 3, 8, 17, 17])
    """
    if isinstance(x, PackedSequence):
        return x._replace(data=module(x.data))
    if x.dim() < 3:
        raise ValueError(f"over_time: expected x of at least 3 dimensions, (T, N, ...), got {x.dim()}")
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _channels_last(x: Tensor) -> Tensor:
    # vmap knows one memory format only
    if not torch.compiler.is_compiling() and ops.transformed(x):
        return x
    return x.contiguous(memory_format=torch.channels_last)


def side_by_side(x: Tensor, dim: int, parts: Sequence[int], groups: int) -> Tensor:
    """Rows of the current, then of a gate, as a grouped convolution has them: those of a group together."""
    if 1 in (len(parts), groups):
        return x
    pieces = [piece.unflatten(dim, (groups, -1)) for piece in x.split(list(parts), dim)]
    return torch.cat(pieces, dim + 1).flatten(dim, dim + 1)


def apart(x: Tensor, dim: int, parts: Sequence[int], groups: int) -> Tensor:
    """The inverse of ``side_by_side``."""
    if 1 in (len(parts), groups):
        return x
    pieces = x.unflatten(dim, (groups, -1)).split([rows // groups for rows in parts], dim + 1)
    return torch.cat([piece.flatten(dim, dim + 1) for piece in pieces], dim)


class Layout(NamedTuple):
    """How the rows of maps over time lie: one per pixel, in the order sequence, row, column."""

    batch: int
    height: int
    width: int
    steps: Steps
    """Its sizes are rows per step of packed data, or None: equal steps, a leading dimension T."""

    @property
    def rows(self) -> int:
        return self.batch * self.height * self.width

    def maps(self, rows: Tensor) -> Tensor:
        return to_maps(rows, self.height, self.width)


class TemporalConv2d(TraitModule, nn.Conv2d):
    """nn.Conv2d over (T, N, C, H, W): all steps in one call, normalisation, synapse; state in, state out.

    It is an ``nn.Conv2d`` for code that looks for convolutions (to initialise them, for instance),
    with its constructor checks, attributes, ``weight`` and ``bias``. Subclasses say in
    ``_advance`` what becomes of the current and in ``_state_names`` what the state is.
    """

    kind: ClassVar[Kind]
    norm: nn.BatchNorm2d | None

    def _build(
        self,
        options: Options,
        in_channels: int,
        out_channels: int,
        batch_first: bool,
        device: Any,
        dtype: torch.dtype | None,
        **convolution: Any,
    ) -> None:
        """What the constructors do; ``convolution``: what else nn.Conv2d takes."""
        factory = {"device": device, "dtype": dtype}
        rows, groups = options.rows(out_channels), convolution["groups"]
        gates = rows - out_channels
        if options.neurons_per_gate > 1 and groups > 1 and gates % groups:
            raise ValueError(
                f"out_channels={out_channels} has {gates} gates, which must be divisible by groups"
            )
        nn.Conv2d.__init__(self, in_channels, rows, **convolution, **factory)
        if out_channels % self.groups:
            raise ValueError("out_channels must be divisible by groups")
        self.out_channels = out_channels
        if not isinstance(batch_first, bool):
            raise TypeError(f"batch_first should be of type bool, got: {type(batch_first).__name__}")
        self.batch_first = batch_first
        self._configure(options)
        self.norm = nn.BatchNorm2d(rows, **factory) if options.normalization == "batch" else None
        self._create_recurrent(factory)
        self._create_traits("", out_channels, factory)
        self._reset_more()

    def _configure(self, options: Options) -> None:
        super()._configure(options)
        if options.synapse:
            initial, learn = options.synapse_decay, options.learn_synapse_decay
            self._traits = (Trait("synapse_decay", initial, learn, "fraction", options.share),)

    def _create_recurrent(self, factory: dict[str, Any]) -> None:
        """Parameters beside those of the convolution."""

    def reset_parameters(self) -> None:
        """Initialise all parameters anew: weight and bias as nn.Conv2d does, with its random numbers.

        Then follow W_hh, likewise, the normalisation, and the numbers of synapse and neuron.
        """
        nn.Conv2d.reset_parameters(self)
        # nn.Conv2d's constructor calls this before there is anything else
        if self._traits:
            self._reset_more()

    def _reset_more(self) -> None:
        if self.norm is not None:
            self.norm.reset_parameters()
        self._reset_traits("")

    def extra_repr(self) -> str:
        first = ", batch_first=True" if self.batch_first else ""
        return nn.Conv2d.extra_repr(self) + first + options_repr(self.kind, self.options)

    # state

    def _state_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _advance(
        self, current: Tensor, values: dict[str, Tensor], states: tuple[Tensor, ...] | None, layout: Layout
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Output and last state, as rows, of currents (T, rows, C) or packed; ``states`` as rows."""
        raise NotImplementedError

    def _check_type(self, hx: Any) -> tuple[Tensor, ...]:
        """The given state as a tuple of its tensors."""
        names, name = self._state_names(), type(self).__name__
        if len(names) == 1:
            if not isinstance(hx, Tensor):
                raise TypeError(f"{name}: hx should be one tensor, {names[0]}, got: {type(hx).__name__}")
            return (hx,)
        whole = isinstance(hx, (tuple, list)) and len(hx) == len(names)
        if not whole or not all(isinstance(state, Tensor) for state in hx):
            got = f"{len(hx)} values" if isinstance(hx, (tuple, list)) else type(hx).__name__
            raise TypeError(f"{name}: hx should be ({', '.join(names)}), {len(names)} tensors, got: {got}")
        return tuple(hx)

    def _check_states(self, states: tuple[Tensor, ...], x: Tensor, shape: tuple[int, ...]) -> None:
        for name, state in zip(self._state_names(), states, strict=True):
            if tuple(state.shape) != shape:
                raise RuntimeError(f"Expected {name} size {shape}, got {tuple(state.shape)}")
            if state.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
                raise RuntimeError(f"{name} dtype ({state.dtype}) does not match input dtype ({x.dtype})")

    # forward

    def _convolve(self, x: Tensor, gain: Tensor | None, offset: Tensor | None) -> Tensor:
        """The current of maps (n, C, H, W), normalised, times ``gain``, plus ``offset``; a gate's last."""
        weight, bias, dtype = self.weight, self.bias, self.weight.dtype
        parts, groups = self.options.parts(self.out_channels), self.groups
        shares = self.options.neurons_per_gate > 1
        if self.norm is None:
            weight = scaled(weight, gain, dtype)
            bias = scaled_bias(bias, gain, None if shares else offset, dtype)
        maps = self._conv_forward(
            _channels_last(x),
            side_by_side(weight, 0, parts, groups),
            None if bias is None else side_by_side(bias, 0, parts, groups),
        )
        maps = apart(maps, 1, parts, groups)
        if self.norm is not None:
            maps = self.norm(maps)
            maps = maps if gain is None else maps * gain.to(maps.dtype).reshape(-1, 1, 1)
        elif not shares:
            return maps
        maps = spread(maps, self.out_channels, 1)
        return maps if offset is None else maps + offset.to(maps.dtype).reshape(-1, 1, 1)

    def _synapse(
        self, current: Tensor, values: dict[str, Tensor], first: Tensor | None, layout: Layout
    ) -> tuple[Tensor, Tensor]:
        """I_t = lambda I_{t-1} + current_t and the last I, as the definition of the neurons has it."""
        decay = values["synapse_decay"]
        rest = decay.new_zeros(layout.rows, self.out_channels) if first is None else decay * first
        never = torch.full((), torch.finfo(decay.dtype).max, dtype=decay.dtype, device=decay.device)
        out, _, last = ops.recurrence(
            Call(
                current, Weights(), Numbers(decay, never, None), State(rest, None),
                _INTEGRATOR, layout.steps,
            )
        )  # fmt: skip
        return out, last

    def _scale(self, values: dict[str, Tensor], dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
        """What the current is multiplied with, and what is then added to it."""
        return None, None

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:  # type: ignore[override]
        """Run over a sequence of maps; see the class for shapes."""
        packed = input if isinstance(input, PackedSequence) else None
        input, lengths = input if isinstance(input, Padded) else (input, None)
        name = type(self).__name__
        if packed is not None:
            x, batch_sizes, order, back = packed
            sizes = packed_sizes(self, batch_sizes)
            batched = True
            if x.dim() != 4:
                raise RuntimeError(
                    f"Expected packed data of 4 dimensions, (sum of lengths, C, H, W), as input to {name}, "
                    f"but got data of size: {list(x.shape)}"
                )
        else:
            x, sizes, order, back = input, None, None, None
            if x.dim() not in (4, 5):
                raise RuntimeError(
                    f"Expected 4D (unbatched) or 5D (batched) input to {name}, "
                    f"but got input of size: {list(x.shape)}"
                )
            batched = x.dim() == 5
            if not batched:
                x = x.unsqueeze(1)
            elif self.batch_first:
                x = x.transpose(0, 1)
            if x.size(0) == 0:
                raise RuntimeError(f"Expected sequence length to be larger than 0 in {name}")
        given = None if hx is None else self._check_type(hx)
        batch = x.size(1) if sizes is None else sizes[0]
        precise = membrane_dtype(self.weight.dtype)
        values = self._trait_values("", precise)
        gain, offset = self._scale(values, precise)
        # the gain of a current that has a state of its own comes after it
        late = gain if "synapse_decay" in values else None
        maps = self._convolve(
            x.flatten(0, 1) if sizes is None else x, None if late is not None else gain, offset
        )

        channels, (height, width) = self.out_channels, maps.shape[2:]
        pixels = height * width
        steps = Steps(
            None if sizes is None else tuple(n * pixels for n in sizes),
            lengths=None if lengths is None else lengths[:, None].expand(-1, pixels).reshape(-1),
        )
        layout = Layout(batch, height, width, steps)
        if given is not None:
            shape = (batch, channels, height, width) if batched else (channels, height, width)
            self._check_states(given, x, shape)
            if not batched:
                given = tuple(state.unsqueeze(0) for state in given)
            if order is not None:
                given = tuple(state.index_select(0, order) for state in given)
            given = tuple(to_rows(state.to(precise)) for state in given)
        current = to_rows(maps).to(precise)
        if sizes is None:
            current = current.unflatten(0, (x.size(0), layout.rows))
        last: tuple[Tensor, ...] = ()
        if "synapse_decay" in values:
            current, charge = self._synapse(current, values, None if given is None else given[-1], layout)
            current = current if late is None else current * late
            last = (charge,)
        rows, ends = self._advance(current, values, given, layout)

        out: Any = layout.maps(rows).to(x.dtype)
        states = tuple(layout.maps(end).to(x.dtype) for end in ends + last)
        if back is not None:
            states = tuple(state.index_select(0, back) for state in states)
        if packed is not None:
            out = PackedSequence(out, batch_sizes, order, back)
        elif not batched:
            out, states = out.squeeze(1), tuple(state.squeeze(0) for state in states)
        elif self.batch_first:
            out = out.transpose(0, 1)
        return out, (states[0] if len(states) == 1 else states)
