"""A registered activation or surrogate runs in torch operations and gives what its twin does."""

from __future__ import annotations

import pytest
import torch

import liafseq
from liafseq import LIAF, LIF, ConvLIAF, ConvLIF, LIAFCell, LIFCell
from liafseq.neurons import ACTIVATIONS
from liafseq.surrogate import SURROGATES


@pytest.fixture(autouse=True)
def added():
    liafseq.register_activation("my_tanh", torch.tanh)
    liafseq.register_surrogate(
        "my_gaussian", SURROGATES["gaussian"].derivative, SURROGATES["gaussian"].primitive
    )
    yield
    del ACTIVATIONS["my_tanh"], SURROGATES["my_gaussian"]


def layer(kind, **options):
    return kind(3, 4, 2, **options), torch.randn(5, 2, 3)


def cell(kind, **options):
    return kind(3, 4, **options), torch.randn(2, 3)


def conv(kind, **options):
    return kind(3, 4, 3, padding=1, feedback="output", **options), torch.randn(4, 2, 3, 5, 5)


CASES = {
    f"{kind.__name__}-{name}": (make, kind, {name: f"my_{twin}"}, {name: twin})
    for make, kind, name, twin in (
        (layer, LIAF, "activation", "tanh"),
        (layer, LIAF, "surrogate", "gaussian"),
        (layer, LIF, "surrogate", "gaussian"),
        (cell, LIAFCell, "activation", "tanh"),
        (cell, LIFCell, "surrogate", "gaussian"),
        (conv, ConvLIAF, "activation", "tanh"),
        (conv, ConvLIF, "surrogate", "gaussian"),
    )
}


@pytest.fixture(params=CASES)
def pair(request):
    """Builds a module, its twin with the same parameters, and an input."""
    make, kind, own, twin = CASES[request.param]

    def build(**options):
        other, x = make(kind, **twin, **options)
        module, _ = make(kind, **own, **options)
        module.load_state_dict(other.state_dict())
        return module, other, x

    return build


def flat(result):
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


def results(module, x):
    found = flat(module(x))
    loss = sum(t.square().sum() for t in found)
    return found, torch.autograd.grad(loss, list(module.parameters()))


@pytest.mark.parametrize("gated", [False, True])
def test_as_its_twin(pair, gated):
    module, twin, x = pair(gated=gated)
    torch.testing.assert_close(results(module, x), results(twin, x), atol=1e-5, rtol=1e-4)


def test_one_step_of_a_layer():
    module = LIAF(3, 4, activation="my_tanh")
    twin = LIAF(3, 4)
    twin.load_state_dict(module.state_dict())
    x = torch.randn(1, 2, 3)
    torch.testing.assert_close(results(module, x), results(twin, x))


@pytest.mark.covers(1)
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("gated", [False, True])
def test_under_a_compiler(pair, gated):
    torch._dynamo.reset()
    module, twin, x = pair(gated=gated)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    found = flat(compiled(x))
    torch.testing.assert_close(found, flat(twin(x)), atol=1e-5, rtol=1e-4)
    loss = sum(t.square().sum() for t in found)
    grads = torch.autograd.grad(loss, list(module.parameters()), materialize_grads=True)
    torch.testing.assert_close(grads, results(twin, x)[1], atol=1e-4, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_traced_and_mapped(pair):
    module, twin, x = pair()
    torch.testing.assert_close(flat(torch.jit.trace(module, (x,))(x)), flat(twin(x)))
    many = torch.stack([x, -x])
    torch.testing.assert_close(flat(torch.vmap(module)(many)), flat(torch.vmap(twin)(many)))


def test_in_a_copy_and_in_a_list_of_choices():
    from liafseq.options import describe

    assert repr(LIAF(3, 4, activation="my_tanh")) == "LIAF(3, 4, activation='my_tanh')"
    assert "my_tanh" in next(o for o in describe("liaf") if o.name == "activation").choices
    assert "my_gaussian" in next(o for o in describe(LIFCell) if o.name == "surrogate").choices


def test_an_unknown_one_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="my_tanh"):
        LIAF(3, 4, activation="tanhh")
    with pytest.raises(ValueError, match="my_gaussian"):
        LIF(3, 4, surrogate="gauss")


def test_names_that_are_refused():
    with pytest.raises(ValueError, match="activation: the name 'tanh' is taken"):
        liafseq.register_activation("tanh", torch.tanh)
    with pytest.raises(TypeError, match="activation: its name should be of type str, got: function"):
        liafseq.register_activation(lambda u: u, "identity")
    with pytest.raises(TypeError, match="function should be callable, got: str"):
        liafseq.register_activation("mine", "tanh")
    with pytest.raises(ValueError, match="surrogate: the name 'arctan' is taken"):
        liafseq.register_surrogate("arctan", max, max)
    with pytest.raises(TypeError, match="should be callable, got: float"):
        liafseq.register_surrogate("mine", max, 1.0)
