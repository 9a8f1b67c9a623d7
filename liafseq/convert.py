"""``replace_rnn``: spiking layers in the place of a model's nn.RNN, nn.GRU and nn.LSTM."""

from __future__ import annotations

from typing import Any

from torch import nn

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
    return new.train(old.training)


def replace_rnn(model: nn.Module, neuron: str = "liaf", **options: Any) -> dict[str, nn.Module]:
    """Put spiking layers in the place of every nn.RNN, nn.GRU, nn.LSTM and their cells, in place.

    Sizes, depth, direction, bias, dropout, batch_first, device, dtype and training mode are those of the
    replaced module; weights are new, drawn from torch's random numbers. The state keeps the
    format that the code around it expects: the pair ``(h, c)`` where an LSTM was, one tensor
    (the membrane potential) where a GRU or RNN was. A module that occurs several times stays
    shared. Make the optimiser after the replacement: the parameters are new.

    In the one-tensor format the state is the membrane potential u and *not* the last output, so
    code that reads an answer from ``h_n`` reads u; ``layer.emit(h_n[-1])`` is the output of u.

    Args:
        model: any module; changed in place.
        neuron: ``"liaf"``, ``"lif"``, ``"dalif"`` or ``"mlif"``.
        options: neuron options for the layers and cells, such as ``decay=0.1``.

    Returns:
        qualified name -> the module that was replaced, in the model's order; empty where there
        was none.

    Raises:
        ValueError: unknown neuron, a layer with ``proj_size``, or an option's value; the model
            is then as it was.
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
    if isinstance(model, (nn.RNN, nn.GRU, nn.LSTM, nn.RNNCell, nn.GRUCell, nn.LSTMCell)):
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
    for _, parent, child_name, child in places:
        parent._modules[child_name] = made[id(child)]
    return {name: child for name, _, _, child in places}
