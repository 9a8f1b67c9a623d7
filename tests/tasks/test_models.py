"""The registry of models."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from liafseq.tasks.models import build_layer, check_model, has_second_state, model_names, neuron_options

NAMES = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


def test_names():
    assert model_names("babi") == NAMES
    assert model_names("nothing") == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_speaks_the_protocol_the_registry_says(name):
    layer = build_layer(name, 3, 4, num_layers=2, bidirectional=True, dropout=0.5)
    assert layer.dropout == 0.5
    assert not layer.batch_first
    output, state = layer(torch.randn(5, 2, 3))
    assert output.shape == (5, 2, 8)
    parts = state if has_second_state(name) else (state,)
    assert isinstance(state, tuple) is has_second_state(name)
    assert all(part.shape == (4, 2, 4) for part in parts)


def test_one_layer_gets_no_dropout_and_so_no_warning():
    assert build_layer("lstm", 3, 4, dropout=0.5).dropout == 0.0


def test_rnn_is_the_tanh_one():
    assert build_layer("rnn", 3, 4).nonlinearity == "tanh"


def test_neuron_options_reach_the_layer():
    assert {"decay", "threshold", "feedback", "reset", "activation"} <= set(neuron_options("liaf"))
    assert not {"device", "dtype", "state_format"} & set(neuron_options("liaf"))
    assert "weight_hh_l0" in build_layer("liaf", 3, 4).state_dict()
    assert "weight_hh_l0" not in build_layer("liaf", 3, 4, options={"feedback": None}).state_dict()
    assert neuron_options("gru") == {}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "liff",
            {},
            r"unknown model of task 'babi': 'liff', did you mean 'lif'\?; .*liaf, lif, dalif, mlif, rnn",
        ),
        ("zzz", {}, r"unknown model of task 'babi': 'zzz'; the models are liaf"),
        ("LIAF", {}, "did you mean 'liaf'"),
        ("gru", {"decay": 0.5}, "'gru' is torch's own and takes no neuron options; got decay"),
        (
            "liaf",
            {"decai": 0.5},
            r"'liaf' has no neuron option 'decai', did you mean 'decay'\?; it has .*decay",
        ),
    ],
)
def test_errors_tell_what_would_be_right(name, options, message):
    with pytest.raises(ValueError, match=message):
        check_model(name, "babi", options)


def test_a_model_of_another_task_is_unknown_here():
    with pytest.raises(ValueError, match="unknown model of task 'babi': 'conv-lif'"):
        check_model("conv-lif", "babi")


def test_names_are_had_without_the_heavy_packages():
    code = (
        "import sys; from liafseq.tasks.models import check_model; import liafseq.tasks.babi.adapter; "
        "check_model('gru'); heavy = {'torchtext', 'datasets', 'lightning_fabric', 'matplotlib'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
