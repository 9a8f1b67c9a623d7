"""An activation and a surrogate that somebody adds run in torch operations and give what their twins do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from liafseq import LIAF, LIF, LIAFCell
from liafseq.neurons import ACTIVATIONS
from liafseq.surrogate import SURROGATES


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    ACTIVATIONS["my_tanh"] = ACTIVATIONS["tanh"]
    SURROGATES["my_gaussian"] = SURROGATES["gaussian"]
    yield
    del ACTIVATIONS["my_tanh"], SURROGATES["my_gaussian"]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("kind", "own", "twin"),
    [
        (LIAF, {"activation": "my_tanh"}, {"activation": "tanh"}),
        (LIAF, {"surrogate": "my_gaussian"}, {"surrogate": "gaussian"}),
        (LIF, {"surrogate": "my_gaussian"}, {"surrogate": "gaussian"}),
    ],
)
def test_as_its_twin(kind: type, own: dict[str, str], twin: dict[str, str], gated: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 3, 4, dtype=torch.float64)
    layers = [kind(4, 5, dtype=torch.float64, gated=gated, **options) for options in (own, twin)]
    layers[0].load_state_dict(layers[1].state_dict())
    for layer in layers:
        output, (h, c) = layer(x)
        (output.square().sum() + h.sum() + c.sum()).backward()
        layer.output = output
    torch.testing.assert_close(layers[0].output, layers[1].output)
    for mine, other in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_a_cell() -> None:
    cell = LIAFCell(4, 5, activation="my_tanh")
    assert cell(torch.randn(3, 4))[0].shape == (3, 5)


def test_an_unknown_one_is_named_with_those_that_are_there() -> None:
    with pytest.raises(ValueError, match="my_tanh"):
        LIAF(3, 4, activation="tanhh")
