"""The options of each neuron stand in options.py; signatures and docstrings say the same."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
import subprocess
import sys

import pytest
import torch

import liafseq
from liafseq.neurons import ACTIVATIONS
from liafseq.options import KINDS, describe
from liafseq.surrogate import SURROGATES

NEURONS = ["LIAF", "LIF", "DALIF", "MLIF"]
NAMES = [*NEURONS, *(f"{n}Cell" for n in NEURONS), *(f"Conv{n}" for n in NEURONS), "SynapticConv2d"]
CLASSES = [getattr(liafseq, name) for name in NAMES]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=NAMES)


def build(cls, **options):
    return (
        cls(3, 4, 3, **options)
        if "kernel_size" in inspect.signature(cls).parameters
        else cls(3, 4, **options)
    )


@every_class
def test_signatures_have_these_options_and_defaults(cls):
    parameters = inspect.signature(cls).parameters.values()
    given = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in ("device", "dtype")]
    described = describe(cls)
    assert [p.name for p in given] == [option.name for option in described]
    for parameter, option in zip(given, described, strict=True):
        by_gate = option.default != option.gated_default
        assert parameter.default == (None if by_gate else option.default), option.name


@every_class
def test_docstrings_say_every_option_whole(cls):
    text = " ".join(cls.__doc__.split())
    assert [option.name for option in describe(cls) if f" {option.name}: {option.help} " not in text] == []
    assert re.findall(r"\{[a-z]+\}", cls.__doc__) == []


OTHER = {
    "normalization": "batch", "synapse": True, "synapse_decay": 0.25, "learn_synapse_decay": False,
    "output": "analog", "levels": 2, "activation": "sigmoid", "threshold_related": True,
    "feedback": "membrane", "recurrent_kernel_size": 5, "gated": True, "neurons_per_gate": 2,
    "reset": "none", "v_reset": 0.125, "threshold": 0.75, "decay": 0.375, "gain": 0.625, "leak": 0.5,
    "normalize_current": "not", "share": "layer", "learn_decay": False, "learn_gain": False,
    "learn_threshold": True, "learn_leak": True, "surrogate": "arctan", "surrogate_width": 2.0,
    "detach_reset": "not", "recurrent_init": "not", "state_format": "gru",
}  # fmt: skip
"""A value that is not the default; "not": the opposite of it."""


@every_class
def test_every_option_arrives(cls):
    for option in describe(cls):
        value = OTHER[option.name]
        if value == "not":
            names = [c for c in option.choices if c != option.default]
            value = names[0] if names else not option.default
        if option.name == "normalization" and option.default == "batch":
            value = None
        # what it needs: a convolution has no feedback by default
        reads = option.name in ("recurrent_kernel_size", "gated", "neurons_per_gate")
        more = {"feedback": "output"} if reads else {}
        more |= {"gated": True} if option.name == "neurons_per_gate" else {}
        module = build(cls, **{option.name: value}, **more)
        assert getattr(module.options, option.name) == value != option.default
        assert f"{option.name}={value!r}" in repr(module)
        rest = [o for o in describe(cls) if o.name not in (option.name, *more)]
        # the gate has defaults of its own
        gated = option.name == "gated" or "gated" in more
        expected = [o.gated_default if gated else o.default for o in rest]
        assert [getattr(module.options, o.name) for o in rest] == expected


def test_defaults_of_a_gate():
    plain, gated = liafseq.LIAF(3, 4), liafseq.LIAF(3, 4, gated=True)
    assert (plain.options.decay, plain.options.recurrent_init) == ("fast-and-slow", "orthogonal")
    chosen = (gated.options.decay, gated.options.recurrent_init, gated.options.reset)
    assert chosen == ((0.5, 0.99), "uniform", "none")
    assert repr(gated) == "LIAF(3, 4, gated=True)"
    own = liafseq.LIAF(3, 4, gated=True, decay="fast-and-slow").options
    assert (own.decay, own.recurrent_init) == ("fast-and-slow", "uniform")


@pytest.mark.parametrize(("layer", "plain"), [("LIF", (0.5, "hard", False)), ("MLIF", (0.2, "soft", False))])
def test_defaults_of_a_gate_on_spikes(layer, plain):
    """docs/results/appendix/defaults.md says what chose them."""

    def chosen(options):
        return options.decay, options.reset, options.normalize_current

    for cls in (getattr(liafseq, layer), getattr(liafseq, f"{layer}Cell")):
        assert chosen(cls(3, 4).options) == plain
        assert chosen(cls(3, 4, gated=True).options) == ((0.5, 0.99), "none", True)
        assert cls(3, 4, gated=True, reset="soft").neuron.reset == "soft"


@pytest.mark.parametrize(("name", "plain"), [("ConvLIAF", "hard"), ("ConvLIF", "hard"), ("ConvMLIF", "soft")])
def test_defaults_of_a_gate_over_maps(name, plain):
    """docs/results/events.md says what chose them."""
    cls = getattr(liafseq, name)
    assert cls(2, 3, 3).options.reset == plain
    gated = cls(2, 3, 3, gated=True, feedback="output").options
    slow = (0.5, False) if name == "ConvLIAF" else ((0.5, 0.99), True)
    assert (gated.reset, (gated.decay, gated.normalize_current)) == ("none", slow)


@every_class
def test_docstrings_say_what_none_stands_for(cls):
    by_gate = {o.name: (o.default, o.gated_default) for o in describe(cls) if o.default != o.gated_default}
    said = re.search(r"None stands for (.+?); with ``gated`` for (.+?):", " ".join(cls.__doc__.split()))
    if said is None:
        assert not by_gate
        return
    values = [
        [ast.literal_eval(value) for value in re.findall(r"\(.*?\)|\".*?\"|True|False|[\d.]+", part)]
        for part in said.groups()
    ]
    names = re.findall(r"(\w+) (?:``|True|False|\d)", said[1])
    assert dict(zip(names, zip(*values, strict=True), strict=True)) == by_gate


def test_several_levels_have_no_hard_reset():
    with pytest.raises(ValueError, match="a neuron of several levels resets softly"):
        liafseq.MLIF(3, 4, reset="hard")
    assert liafseq.MLIF(3, 4, levels=1, reset="hard").neuron.reset == "hard"


def test_options_are_frozen_and_travel():
    layer = liafseq.LIAF(3, 4, decay=torch.full((4,), 0.25))
    with pytest.raises(AttributeError):
        layer.options.decay = 0.5
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other.options.decay, layer.options.decay)
        assert repr(other) == repr(layer) == "LIAF(3, 4, decay=tensor(shape=(4,)))"


def test_classes_and_names_are_described_alike():
    assert describe("liaf") == describe(liafseq.LIAF) == describe(liafseq.LIAFCell)
    assert describe("conv-mlif") == describe(liafseq.ConvMLIF)

    class Own(liafseq.LIF):
        pass

    assert describe(Own) == describe("lif")
    assert {name: kind.title for name, kind in KINDS.items()}["conv-dalif"] == "ConvDALIF"


def test_choices_are_those_of_the_tables(monkeypatch):
    about = {option.name: option for option in describe("liaf")}
    assert about["activation"].choices == tuple(ACTIVATIONS)
    assert about["surrogate"].choices == tuple(SURROGATES)
    assert about["feedback"].choices == ("output", "membrane", None)
    assert about["share"].choices == ("layer", "neuron")
    assert about["decay"].choices == ()
    assert {o.name: o for o in describe("conv-liaf")}["share"].choices == ("layer", "channel")
    monkeypatch.setitem(ACTIVATIONS, "cube", lambda u: u**3)
    assert "cube" in about["activation"].choices
    with pytest.raises(ValueError, match=r"activation should be one of .*'cube', got: 'swish'"):
        liafseq.LIAF(3, 4, activation="swish")


def test_what_has_no_options():
    with pytest.raises(ValueError, match=r"neuron should be one of 'liaf', .*got: 'gru'"):
        describe("gru")
    with pytest.raises(TypeError, match="has no neuron options"):
        describe(torch.nn.GRU)


def test_wrong_arguments_are_pythons_own_errors():
    with pytest.raises(TypeError, match=r"LIAF.__init__\(\) got an unexpected keyword argument 'proj_size'"):
        liafseq.LIAF(3, 4, proj_size=2)
    with pytest.raises(
        TypeError, match=r"__init__\(\) missing 1 required positional argument: 'hidden_size'"
    ):
        liafseq.LIAF(3)


def test_describing_imports_no_torch():
    code = (
        "import sys; from liafseq.options import describe; about = describe('liaf'); "
        "assert about[0].name == 'activation' and about[0].help; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
