"""Configurations: each field's bounds, one line for what cannot be, and names that are the same anywhere."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.config import Config, FieldError, pairs, replace
from liafseq.tasks.models import ModelSpec
from liafseq.tasks.settings import flags_of

LARGEST = {"ge", "gt", "le", "lt"}


def bounds() -> list[tuple[str, str, Any]]:
    """Each bound of each field of a run: the field, the bound, and a value just beyond it."""
    found = []
    for name, info in BabiConfig.model_fields.items():
        for bound in info.metadata:
            for kind in LARGEST:
                limit = getattr(bound, kind, None)
                if limit is not None:
                    step = {"ge": -1, "le": 1, "gt": 0, "lt": 0}[kind]
                    beyond = limit + step if info.annotation is int else float(limit + step)
                    found.append((name, kind, beyond))
    return found


@pytest.mark.parametrize(("name", "kind", "value"), bounds())
def test_each_bound_is_one_line_that_names_the_field(name: str, kind: str, value: Any) -> None:
    word = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}[kind]
    with pytest.raises(FieldError) as raised:
        BabiConfig(**{name: value})
    assert raised.value.field == name
    assert str(raised.value).startswith(f"{name} must be {word} ")
    assert "\n" not in str(raised.value)


def test_numbers_have_bounds_on_both_sides_where_they_could_be_too_large() -> None:
    both = {
        "hidden_size",
        "num_layers",
        "epochs",
        "batch_size",
        "seed",
        "devices",
        "nodes",
        "threads",
        "questions",
    }
    found = {(name, kind) for name, kind, _ in bounds()}
    assert {name for name, kind in found if kind in ("le", "lt")} >= both
    assert {name for name, kind in found if kind in ("ge", "gt")} >= both


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"model": "liff"}, ValueError, "did you mean 'lif'"),
        ({"model": 3}, TypeError, "model must be the name of a model, got 3"),
        ({"model": "liaf:decay"}, ValueError, "model: expected NAME=VALUE"),
        ({"model": ""}, ValueError, "model: expected"),
        ({"model": {"name": "liaf", "label": "liaf", "options": [["decay"]]}}, ValueError, "pairs"),
        ({"model": {"name": "gru"}}, ValueError, "model: label is missing"),
        ({"tasks": (0,)}, ValueError, "tasks: bAbI has tasks 1 to 20, got 0"),
        ({"tasks": (1, 1)}, ValueError, "tasks: task 1 is named twice"),
        ({"tasks": ()}, ValueError, "at least one"),
        ({"tasks": (1.5,)}, TypeError, "tasks must be a whole number, got 1.5"),
        ({"tasks": "3-1"}, ValueError, "tasks: the range 3-1 runs backwards"),
        ({"tasks": "x"}, ValueError, "tasks: expected numbers and ranges such as 1,4-6 or all, got 'x'"),
        ({"tasks": 3}, TypeError, "tasks"),
        ({"questions": 0}, ValueError, "questions must be at least 1"),
        ({"epochs": 2.0}, TypeError, "epochs must be a whole number"),
        ({"seed": True}, TypeError, "seed must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"bidirectional": 1}, TypeError, "bidirectional must be True or False, got 1"),
        ({"dropout": 1.0}, ValueError, "dropout must be below 1, got 1.0"),
        ({"dropout": "a"}, TypeError, "dropout must be a number, got 'a'"),
        ({"valid_fraction": 0}, ValueError, "valid_fraction must be above 0, got 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be finite, got nan"),
        ({"clip": float("inf")}, ValueError, "clip must be finite, got inf"),
        ({"schedule": "step"}, ValueError, "schedule must be one of cosine, constant, got 'step'"),
        ({"readout": "spikes"}, ValueError, "readout must be one of output, membrane, both"),
        ({"heads": 3}, ValueError, "heads must be even, half for each direction, got 3"),
        ({"source": ""}, ValueError, "source must be a text, got ''"),
        ({"device": ""}, ValueError, "device must be a text"),
        ({"story_options": {"people": 3}, "source": "hub"}, ValueError, "story_options is for generated"),
        ({"story_options": ("people",)}, ValueError, "story_options: expected NAME=VALUE"),
        ({"story_options": ("people=1", "people=2")}, ValueError, "story_options: people is given twice"),
        ({"story_options": {"people": {}}}, TypeError, "story_options: people must be a number"),
        ({"story_options": (("people",),)}, TypeError, "story_options must be pairs"),
        ({"vectors": 3}, TypeError, "vectors"),
        ({"hiden_size": 3}, ValueError, "hiden_size is no setting of these; known: attention, "),
    ],
    ids=str,
)
def test_bad_fields(fields: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        BabiConfig(**fields)
    assert isinstance(raised.value, FieldError)
    assert raised.value.field == next(iter(fields))
    assert "\n" not in str(raised.value)


def test_a_configuration_is_a_value() -> None:
    config = BabiConfig(model="liaf:reset=soft:decay=0.1,0.2", tasks=[2, 1], story_options={"people": 3})
    assert config.tasks == (2, 1)
    assert config.model.options == (("decay", (0.1, 0.2)), ("reset", "soft"))
    same = BabiConfig(
        model=ModelSpec(
            name="liaf", label="liaf:reset=soft:decay=0.1,0.2",
            options=(("reset", "soft"), ("decay", (0.1, 0.2))),
        ),
        tasks=(2, 1),
        story_options=("people=3",),
    )  # fmt: skip
    assert same == config
    assert hash(same) == hash(config)
    assert same.key() == config.key()
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]
    assert replace(config, seed=3).seed == 3
    assert replace(replace(config, seed=3), seed=0).key() == config.key()
    with pytest.raises(FieldError, match="seed must be at least 0"):
        replace(config, seed=-1)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "a b=mlif:levels=3:feedback=none", "seed": 2**63 - 1, "learning_rate": 1e-300},
        {"kind": "story", "hops": 2, "story_options": ("people=4",)},
        {"tasks": "all", "dropout": 0},
        {"source": "/some/föld er", "variant": "en", "vectors": "glove.txt", "score_test": False},
    ],
    ids=str,
)
def test_json_and_back(fields: dict[str, Any]) -> None:
    config = BabiConfig(**fields)
    copy = BabiConfig.from_json(json.loads(json.dumps(config.to_json())))
    assert copy == config
    assert copy.key() == config.key()


def test_the_preset_of_a_kind_stands_behind_what_is_given() -> None:
    story = BabiConfig(kind="story", epochs=2)
    assert (story.epochs, story.patience, story.embedding_size) == (2, 10, 64)
    assert BabiConfig().patience == 0
    assert BabiConfig.from_json(story.to_json()) == story


def test_keys() -> None:
    assert BabiConfig(model="gru", tasks=(2, 1)).key().startswith("gru-qa2+1-s0-")
    assert BabiConfig(tasks=range(1, 21)).key().startswith("liaf-qa1-20x20-s0-")
    assert BabiConfig(model="deep one=liaf:decay=0.5,0.9").key().startswith("deep-one-qa1-s0-")
    assert BabiConfig(model="liaf:gated=true").key().startswith("liaf-gated-true-qa1-s0-")
    other = [
        {"seed": 1}, {"dropout": 0.1}, {"threads": 2}, {}, {"model": "liaf:gated=true"},
        {"model": "liaf:gated=false"}, {"model": "a=liaf"},
    ]  # fmt: skip
    assert len({BabiConfig(**fields).key() for fields in other}) == len(other)
    assert BabiConfig(dropout=0).key() == BabiConfig(dropout=0.0).key()


def test_the_key_is_the_same_on_every_machine() -> None:
    """Changes only where a field is added or its default changed; then run folders are new ones."""
    config = BabiConfig(model="gru", seed=7)
    text = json.dumps(config.to_json(), sort_keys=True)
    assert config.key() == f"gru-qa1-s7-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    code = (
        "from liafseq.tasks.babi.config import BabiConfig; "
        "print(BabiConfig(seed=7, model='gru').key(), BabiConfig(model='liaf:reset=soft:decay=0.1').key())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [config.key(), BabiConfig(model="liaf:reset=soft:decay=0.1").key()]


def test_every_option_has_a_help_and_a_panel() -> None:
    for name, info in flags_of(BabiConfig).items():
        assert info.description, name
    assert "score_test" not in flags_of(Config)


def test_pairs_of_texts() -> None:
    assert pairs(["a-b=1", "c=x,2,none"]) == (("a_b", 1), ("c", ("x", 2, None)))
    for text in ("a", "=1", "a=", "1=2"):
        with pytest.raises(ValueError, match="expected NAME=VALUE"):
            pairs([text])
    with pytest.raises(ValueError, match="must be finite"):
        pairs(["a=nan"])
