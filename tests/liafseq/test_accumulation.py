"""Gradients of several backward passes add up, and each parameter's is memory of its own.

torch lets a parameter keep a gradient that is a view of another's. A step of clipping, or a second backward
pass, then changes it twice.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

import liafseq

CASES = list(itertools.product(["LIAF", "LIF", "DALIF", "MLIF"], [False, True], [False, True]))


def forward(module: nn.Module) -> torch.Tensor:
    torch.manual_seed(3)
    if isinstance(module, nn.RNNBase):
        return module(torch.randn(9, 3, 5))[0]
    if hasattr(module, "kernel_size"):
        return module(torch.randn(4, 2, 5, 6, 6))[0]
    state = module(torch.randn(3, 5))
    return sum(module(torch.randn(3, 5), state))


@pytest.mark.parametrize("form", ["", "Cell", "Conv"])
@pytest.mark.parametrize(("name", "gated", "shared"), CASES)
def test_two_backward_passes_have_twice_the_gradient_of_one(
    form: str, name: str, gated: bool, shared: bool
) -> None:
    cls = getattr(liafseq, f"Conv{name}" if form == "Conv" else name + form)
    leak = {} if name == "DALIF" else {"leak": 0.1, "learn_leak": True}
    threshold = {} if gated and name == "LIAF" else {"learn_threshold": True}
    more = {"gated": gated, **leak, **threshold, **({"share": "layer"} if shared else {})}
    if form == "Conv":
        module = cls(5, 8, 3, padding=1, feedback="output", **more)
    else:
        module = cls(5, 8, **({} if form else {"num_layers": 2, "bidirectional": True}), **more)
    forward(module).sin().sum().backward()
    once = {key: parameter.grad.clone() for key, parameter in module.named_parameters()}
    memory = [parameter.grad.untyped_storage().data_ptr() for parameter in module.parameters()]
    assert len(set(memory)) == len(memory)
    forward(module).sin().sum().backward()
    for key, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, 2 * once[key], msg=lambda text, key=key: f"{key}: {text}")
