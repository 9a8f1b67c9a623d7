"""The registry of models."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from liafseq.tasks.models import (
    ModelSpec,
    build_conv,
    build_layer,
    known,
    model,
    parse_specs,
    with_options,
)  # fmt: skip

NAMES = ("liaf", "lif", "dalif", "mlif", "rnn", "gru", "lstm")


def test_names() -> None:
    assert known(["layer"])[:7] == NAMES
    assert "conv-liaf" in known(["maps"])
    assert known([]) == ()


@pytest.mark.parametrize("name", known())
def test_every_model_has_a_title_a_colour_and_a_marker(name: str) -> None:
    found = model(name)
    assert found.title != name
    assert re.fullmatch("#[0-9A-F]{6}", found.color)
    assert found.marker
    assert isinstance(found.layer_class(), type)
    assert set(found.searched) <= set(found.options())
    if found.kind == "layer":
        assert sum((m.color, m.marker) == (found.color, found.marker) for m in map(model, NAMES)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_speaks_the_protocol_the_registry_says(name: str) -> None:
    layer = build_layer(name, 3, 4, num_layers=2, bidirectional=True, dropout=0.5)
    assert layer.dropout == 0.5
    assert not layer.batch_first
    output, state = layer(torch.randn(5, 2, 3))
    assert output.shape == (5, 2, 8)
    assert isinstance(state, tuple) is model(name).pair
    parts = state if model(name).pair else (state,)
    assert all(part.shape == (4, 2, 4) for part in parts)


def test_one_layer_gets_no_dropout_and_so_no_warning() -> None:
    assert build_layer("lstm", 3, 4, dropout=0.5).dropout == 0.0


def test_rnn_is_the_tanh_one() -> None:
    assert build_layer("rnn", 3, 4).nonlinearity == "tanh"


@pytest.mark.parametrize("name", known(["maps"]))
def test_every_convolution_keeps_the_size_of_the_maps(name: str) -> None:
    layer = build_conv(name, 2, 3, 3)
    out = layer(torch.zeros(2, 2, 2, 5, 6))
    assert sorted((out[0] if isinstance(out, tuple) else out).shape) == [2, 2, 3, 5, 6]


def test_neuron_options_reach_the_layer() -> None:
    options = model("liaf").options()
    assert {"decay", "threshold", "feedback", "reset", "activation"} <= set(options)
    assert not {"device", "dtype", "state_format"} & set(options)
    assert "weight_hh_l0" in build_layer("liaf", 3, 4).state_dict()
    assert "weight_hh_l0" not in build_layer("liaf:feedback=none", 3, 4).state_dict()
    assert model("gru").options() == {}


def test_none_is_the_choice_of_this_name_or_none() -> None:
    layer = build_layer("lif:reset=none:feedback=none", 3, 4)
    assert (layer.options.reset, layer.options.feedback) == ("none", None)
    assert build_conv("conv-lif:reset=none", 2, 3, 3).options.reset == "none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("liff", r"unknown model: 'liff', did you mean 'lif'\?; the models are liaf, lif, dalif, mlif, rnn"),
        ("zzz", r"unknown model: 'zzz'; the models are liaf"),
        ("LIAF", "did you mean 'liaf'"),
        ("conv-lif", "model 'conv-lif' is not for this task; its models are liaf, lif"),
        ("gru:decay=0.5", "model 'gru' takes no options; got decay"),
        ("liaf:decai=0.5", r"'liaf' has no option 'decai', did you mean 'decay'\?; it has .*decay"),
        ("liaf:decay", r"^expected NAME=VALUE such as decay=0.05, got 'decay'$"),
        ("liaf:decay=", "expected NAME=VALUE"),
        ("=liaf", r"expected \[LABEL=\]NAME\[:OPTION=VALUE...\] such as liaf:gated=true, got '=liaf'"),
        ("a=", r"expected \[LABEL=\]NAME"),
        ("liaf,", "expected names such as liaf,gru, got 'liaf,'"),
        ("", "expected names"),
        ("gru,lif,gru", "gru is named twice in 'gru,lif,gru'"),
        ("a=gru,a=lif", "a is named twice"),
        ("nowhere.at_all:Layer", "nowhere.at_all:Layer cannot be imported: No module named 'nowhere'"),
        ("torch.nn:Nothing", "torch.nn:Nothing cannot be imported"),
        ("torch.nn.functional:relu", "torch.nn.functional:relu is not a class"),
    ],
)
def test_errors_tell_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_specs(text, ["layer"])


@pytest.mark.parametrize(
    ("text", "labels", "options"),
    [
        ("liaf,gru", ["liaf", "gru"], [{}, {}]),
        (" liaf , liaf:gated=true ", ["liaf", "liaf:gated=true"], [{}, {"gated": True}]),
        ("slow=liaf:decay=0.01,gru", ["slow", "gru"], [{"decay": 0.01}, {}]),
        ("liaf:decay=0.5,9,-1e-3,gru", ["liaf:decay=0.5,9,-1e-3", "gru"], [{"decay": (0.5, 9, -1e-3)}, {}]),
        ("a=lif:reset=soft:threshold=2", ["a"], [{"reset": "soft", "threshold": 2}]),
        ("b=lif:decay=.5,.9:reset=soft,gru", ["b", "gru"], [{"decay": (0.5, 0.9), "reset": "soft"}, {}]),
        ("liaf:feedback=none:learn-decay=true", ["liaf:feedback=none:learn-decay=true"],
         [{"feedback": None, "learn_decay": True}]),
    ],
)  # fmt: skip
def test_the_models_of_a_study(text: str, labels: list[str], options: list[dict[str, Any]]) -> None:
    found = parse_specs(text)
    assert [spec.label for spec in found] == labels
    assert [dict(spec.options) for spec in found] == options


def test_all_models_of_some_kinds() -> None:
    assert [spec.name for spec in parse_specs("all", ["layer"])] == list(known(["layer"]))


def test_a_class_of_a_file_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside.py").write_text(
        "from torch import nn\nclass Slow(nn.GRU):\n    def __init__(self, *sizes, rate=1, **more):\n"
        "        super().__init__(*sizes, **more)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plain, slow = parse_specs("beside:Slow,slow=beside:Slow:rate=2")
    assert (plain.name, plain.label, plain.options) == ("beside:Slow", "beside:Slow", ())
    assert (slow.name, slow.label, slow.options) == ("beside:Slow", "slow", (("rate", 2),))
    assert type(build_layer(slow, 3, 4)).__name__ == "Slow"
    with pytest.raises(ValueError, match=r"expected NAME=VALUE such as decay=0\.05, got 'gated'"):
        parse_specs("liaf:gated")


def test_a_class_of_another_package_is_a_model() -> None:
    (plain, own) = parse_specs("liafseq.layers:LIAF,mine=liafseq.layers:LIAF:decay=0.5,0.9")
    assert (plain.name, plain.label) == ("liafseq.layers:LIAF", "liafseq.layers:LIAF")
    assert (own.name, own.label, dict(own.options)) == ("liafseq.layers:LIAF", "mine", {"decay": (0.5, 0.9)})
    assert type(build_layer(own, 2, 3)).__name__ == "LIAF"
    assert "decay" in own.model().options()
    with pytest.raises(ValueError, match="has no option 'decai', did you mean 'decay'"):
        parse_specs("liafseq.layers:LIAF:decai=1")


def test_what_a_model_says_of_itself_goes_before_what_is_said_of_all() -> None:
    specs = parse_specs("liaf,own=liaf:decay=0.3,lif,gru")
    texts = ["decay=0.1", "threshold=2", "lif:decay=0.2", "own:threshold=3", "liaf:reset=soft"]
    found = {spec.label: dict(spec.options) for spec in with_options(specs, texts)}
    assert found == {
        "liaf": {"decay": 0.1, "threshold": 2, "reset": "soft"},
        "own": {"decay": 0.3, "threshold": 3, "reset": "soft"},
        "lif": {"decay": 0.2, "threshold": 2},
        "gru": {},
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["mlif:decay=1"], "'mlif:decay=1' is for mlif, which is not among liaf, gru"),
        (["liff:decay=1"], "unknown model: 'liff'"),
        (["decai=1"], "has no option 'decai'"),
        (["gru:decay=1"], "takes no options"),
        (["decay=1", "decay=2"], "decay is given twice"),
    ],
)
def test_bad_options(texts: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_options(parse_specs("liaf,gru"), texts)


def test_a_value_that_a_layer_refuses_is_found_before_a_run() -> None:
    ModelSpec.parse("conv-liaf:decay=0.5").try_out()
    with pytest.raises(ValueError, match="reset"):
        ModelSpec.parse("liaf:reset=sideways").try_out()


def test_names_are_had_without_the_heavy_packages() -> None:
    code = (
        "import sys; from liafseq.tasks.models import parse_specs; import liafseq.tasks.task; "
        "liafseq.tasks.task.find('babi').Config(model='gru'); parse_specs('liaf,gru'); "
        "heavy = {'torch', 'torchtext', 'datasets', 'lightning_fabric', 'matplotlib'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_imports_nothing_of_the_hub() -> None:
    code = "import sys, liafseq.tasks.training.run; sys.exit('huggingface_hub' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
