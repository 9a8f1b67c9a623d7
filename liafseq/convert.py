"""``replace_rnn``: spiking layers in the place of a model's nn.RNN, nn.GRU and nn.LSTM."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn

from liafseq._modules.carried import KINDS, carry, left_behind, tie, torn
from liafseq.cells import DALIFCell, LIAFCell, LIFCell, MLIFCell
from liafseq.layers import DALIF, LIAF, LIF, MLIF

__all__ = ["replace_rnn"]

_NEURONS = {
    "liaf": (LIAF, LIAFCell),
    "lif": (LIF, LIFCell),
    "dalif": (DALIF, DALIFCell),
    "mlif": (MLIF, MLIFCell),
}


def _replacement(name: str, old: nn.Module, neuron: str, options: dict[str, Any]) -> nn.Module | None:
    layer, cell = _NEURONS[neuron]
    if isinstance(old, (nn.RNN, nn.GRU, nn.LSTM)):
        if old.proj_size:
            raise ValueError(
                f"{name or 'model'}: a layer with proj_size={old.proj_size} cannot be replaced, "
                "spiking layers have no projection; expected proj_size=0"
            )
        weight = old.weight_ih_l0
        new = layer(
            old.input_size,
            old.hidden_size,
            old.num_layers,
            old.bias,
            old.batch_first,
            # one layer uses no dropout and would only warn of it
            old.dropout if old.num_layers > 1 else 0.0,
            old.bidirectional,
            device=weight.device,
            dtype=weight.dtype,
            state_format="lstm" if isinstance(old, nn.LSTM) else "gru",
            **options,
        )
        new.dropout = old.dropout
    elif isinstance(old, (nn.RNNCell, nn.GRUCell, nn.LSTMCell)):
        weight = old.weight_ih
        new = cell(
            old.input_size,
            old.hidden_size,
            old.bias,
            device=weight.device,
            dtype=weight.dtype,
            state_format="lstm" if isinstance(old, nn.LSTMCell) else "gru",
            **options,
        )
    else:
        return None
    carry(old, new)
    return new


def replace_rnn(
    model: nn.Module, neuron: str = "liaf", *, strict: bool = True, dry_run: bool = False, **options: Any
) -> dict[str, nn.Module]:
    """Put spiking layers in the place of every nn.RNN, nn.GRU, nn.LSTM and their cells, in place.

    Sizes, depth, direction, bias, dropout, batch_first, device, dtype and training mode are those of the
    replaced module; weights are new, drawn from torch's random numbers. What is frozen stays frozen, forward
    and backward hooks go over, a module that occurs several times stays shared, and so do weights of the
    same name that two replaced modules share. The state keeps the format that the code around it expects:
    the pair ``(h, c)`` where an LSTM was, one tensor (the membrane potential) where a GRU or RNN was. Make
    the optimiser after the replacement: the parameters are new.

    In the one-tensor format the state is the membrane potential u and *not* the last output. So
    ``output[-1] == h_n[-1]``, which holds of nn.GRU and which some code asserts, does not hold:
    ``layer.emit(h_n[-1])`` is the output of u. One tensor of the GRU's shape cannot be both, because u does
    not follow from the output. Code that reads an answer from ``h_n`` reads u.

    Args:
        model: any module; changed in place.
        neuron: ``"liaf"``, ``"lif"``, ``"dalif"`` or ``"mlif"``.
        strict: refuse to replace a module that has what a new layer cannot take over: a subclass's methods,
            parametrizations, weight_norm, masks of pruning, weights that something else computes (AWD-LSTM's
            WeightDrop), hooks on weights or state dicts, weights shared with a module that stays. False: a
            warning tells what is lost.
        dry_run: change nothing; the result lists what would be replaced.
        options: neuron options for the layers and cells, such as ``decay=0.1``.

    Returns:
        qualified name -> the module that was replaced, in the model's order; empty, with a warning, where
        there was none.

    Raises:
        ValueError: unknown neuron, a layer with ``proj_size``, an option's value, or, if ``strict``, what
            would be lost; the model is then as it was.
        TypeError: ``model`` is itself a recurrent layer (nothing holds it: construct the layer
            instead), or an option that the neuron does not have.

    >>> from torch import nn
    >>> model = nn.ModuleDict({"encoder": nn.GRU(8, 16), "head": nn.Linear(16, 2)})
    >>> replace_rnn(model, "liaf", decay=0.1)
    {'encoder': GRU(8, 16)}
    >>> model["encoder"]
    LIAF(8, 16, decay=0.1, state_format='gru')
    """
    if neuron not in _NEURONS:
        raise ValueError(f"neuron should be one of {', '.join(map(repr, _NEURONS))}, got: {neuron!r}")
    if "state_format" in options:
        raise TypeError(
            "replace_rnn chooses state_format by what it replaces; expected no state_format option"
        )
    if not isinstance(model, nn.Module):
        raise TypeError(f"model should be an nn.Module, got: {type(model).__name__}")
    if isinstance(model, KINDS):
        raise TypeError(
            f"model is itself an nn.{type(model).__name__}, which no module holds; "
            "construct the layer instead"
        )
    # everything is built before anything is replaced, so that an error leaves the model whole
    made: dict[int, nn.Module] = {}
    places: list[tuple[str, nn.Module, str, nn.Module]] = []
    for prefix, parent in model.named_modules():
        for child_name, child in parent._modules.items():
            if child is None:
                continue
            name = f"{prefix}.{child_name}" if prefix else child_name
            if id(child) not in made:
                new = _replacement(name, child, neuron, options)
                if new is None:
                    continue
                made[id(child)] = new
            places.append((name, parent, child_name, child))
    replaced = {name: child for name, _, _, child in places}
    if not replaced:
        warnings.warn("the model has no nn.RNN, nn.GRU, nn.LSTM, nor cells of these: nothing is replaced",
                      stacklevel=2)  # fmt: skip
    first = {id(child): (name, child) for name, child in reversed(replaced.items())}
    lost = [(name, phrase) for name, child in first.values() for phrase in left_behind(child)]
    lost += torn(model, first.values())
    if lost:
        text = "; ".join(f"{name}: the new layer would lose {phrase}" for name, phrase in sorted(lost))
        if strict:
            raise ValueError(f"{text}. Take it off before, or give strict=False to lose it")
        warnings.warn(text, stacklevel=2)
    if not dry_run:
        tie((child, made[id(child)]) for _, child in first.values())
        for _, parent, child_name, child in places:
            parent._modules[child_name] = made[id(child)]
    return replaced
