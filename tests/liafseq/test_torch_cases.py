"""torch's own cases for nn.GRU and nn.LSTM, run against the spiking layers.

``torch.testing._internal`` is private, hence importorskip; test_contract.py holds our own table.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from liafseq import DALIF, LIAF, LIF, MLIF, DALIFCell, LIAFCell, LIFCell, MLIFCell

pytest.importorskip("expecttest", reason="torch's module cases need expecttest")
cases = pytest.importorskip("torch.testing._internal.common_modules")

LAYERS = [LIAF, LIF, DALIF, MLIF]
CELLS = [LIAFCell, LIFCell, DALIFCell, MLIFCell]


def collect(function, **more):
    return function(None, device="cpu", dtype=torch.float32, requires_grad=True, training=True, **more)


GRU = partial(collect, cases.module_inputs_torch_nn_RNN_GRU, is_rnn=False, with_packed_sequence=True)
LSTM = partial(collect, cases.module_inputs_torch_nn_LSTM)
INPUTS = [("gru", i) for i in range(len(GRU()))] + [("lstm", i) for i in range(len(LSTM()))]
CELL_INPUTS = {
    "gru": partial(collect, cases.module_inputs_torch_nn_RNN_GRU_Cell),
    "lstm": partial(collect, cases.module_inputs_torch_nn_LSTMCell),
}
ERRORS = partial(collect, cases.module_error_inputs_torch_nn_RNN_GRU)
CELL_ERRORS = {
    "gru": partial(collect, cases.module_error_inputs_torch_nn_RNN_GRU_Cell),
    "lstm": partial(collect, cases.module_error_inputs_torch_nn_LSTMCell),
}


def check(module, case):
    """The case's forward call works, backpropagates, and agrees with torch's reference function."""
    args, kwargs = case.forward_input.args, case.forward_input.kwargs
    result = module(*args, **kwargs)
    first = result[0] if isinstance(result, tuple) else result
    data = first.data if isinstance(first, torch.nn.utils.rnn.PackedSequence) else first
    data.sum().backward()
    weight = getattr(module, "weight_ih_l0", None)
    weight = module.weight_ih if weight is None else weight
    assert weight.grad is not None
    if case.reference_fn is not None and not isinstance(args[0], torch.nn.utils.rnn.PackedSequence):
        expected = case.reference_fn(module, *args, **kwargs)
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(
    ("layer_type", "state_format", "index"),
    [
        # each layer type has every fourth case, the rest is exhaustive
        pytest.param(layer, *case, marks=() if (place + number) % 4 == 0 else pytest.mark.exhaustive)
        for place, layer in enumerate(LAYERS)
        for number, case in enumerate(INPUTS)
    ],
)
def test_inputs(layer_type, state_format, index):
    case = {"gru": GRU, "lstm": LSTM}[state_format]()[index]
    kwargs = dict(case.constructor_input.kwargs)
    if kwargs.pop("proj_size", 0):
        with pytest.raises(TypeError, match="proj_size"):
            layer_type(proj_size=2, **kwargs)
        return
    check(layer_type(**kwargs, state_format=state_format), case)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("state_format", ["gru", "lstm"])
def test_cell_inputs(cell_type, state_format):
    for case in CELL_INPUTS[state_format]():
        module = cell_type(
            *case.constructor_input.args, **case.constructor_input.kwargs, state_format=state_format
        )
        check(module, case)


def check_error(make, case):
    arguments = case.module_error_input
    if case.error_on is cases.ModuleErrorEnum.CONSTRUCTION_ERROR:
        with pytest.raises(case.error_type, match=case.error_regex):
            make(*arguments.constructor_input.args, **arguments.constructor_input.kwargs)
        return
    module = make(*arguments.constructor_input.args, **arguments.constructor_input.kwargs)
    with pytest.raises(case.error_type, match=case.error_regex):
        module(*arguments.forward_input.args, **arguments.forward_input.kwargs)


@pytest.mark.parametrize("layer_type", LAYERS)
@pytest.mark.parametrize("index", range(len(ERRORS())))
def test_errors(layer_type, index):
    check_error(partial(layer_type, state_format="gru"), ERRORS()[index])


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("state_format", ["gru", "lstm"])
def test_cell_errors(cell_type, state_format):
    for case in CELL_ERRORS[state_format]():
        inputs = case.module_error_input.constructor_input
        # torch's RNNCell takes its nonlinearity here, GRUCell and ours the bias
        trimmed = SimpleNamespace(args=inputs.args[:2], kwargs=inputs.kwargs)
        arguments = SimpleNamespace(
            constructor_input=trimmed, forward_input=case.module_error_input.forward_input
        )
        copy = SimpleNamespace(
            module_error_input=arguments,
            error_on=case.error_on,
            error_type=case.error_type,
            error_regex=case.error_regex,
        )
        check_error(partial(cell_type, state_format=state_format), copy)
