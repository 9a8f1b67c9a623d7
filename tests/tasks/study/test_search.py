"""The search of settings: what is drawn, what is chosen and by what, and that the test set is not read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi import data
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.config import FieldError, replace
from liafseq.tasks.models import ModelSpec, build_layer, known, model
from liafseq.tasks.results import Outcome, Run, read_study
from liafseq.tasks.study.compare import Event, run_study
from liafseq.tasks.study.fairness import fairness
from liafseq.tasks.study.plan import StudyOptions
from liafseq.tasks.study.search import SEED, Among, LogUniform, Search, candidates, neuron_space, settle
from liafseq.tasks.task import find
from liafseq.tasks.training.folder import read_config
from liafseq.tasks.training.run import run

from ..here import here
from ..made_outcomes import outcome, run_of

BABI = find("babi")
SPACE = {"learning_rate": LogUniform(1e-4, 1e-1), "hidden_size": Among((4, 8, 16))}


def test_a_longer_search_begins_with_the_shorter_one() -> None:
    run = BabiConfig(model="lif")
    two, four, nine = (candidates(Search(count, SPACE), run) for count in (2, 4, 9))
    assert two[0] == {}
    assert four[:2] == two
    assert nine[:4] == four
    assert len({json.dumps(settings) for settings in nine}) == 9


def test_sizes_and_rates_are_the_same_for_every_model() -> None:
    def shared(model: str) -> list[list[Any]]:
        found = candidates(Search(6, SPACE), BabiConfig(model=model))
        return [[settings.get(name) for name in SPACE] for settings in found]

    assert shared("gru") == shared("liaf") == shared("dalif")
    assert len({tuple(pair) for pair in shared("gru")}) == 6


def test_the_draws_fill_the_space() -> None:
    drawn = candidates(Search(400, SPACE), BabiConfig(model="mlif"))[1:]
    rates = [settings["learning_rate"] for settings in drawn]
    assert all(1e-4 <= rate <= 1e-1 for rate in rates)
    for low, high in ((1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1e-1)):  # a third of the draws in each decade
        assert sum(low <= rate < high for rate in rates) == pytest.approx(133, abs=30)
    assert {settings["hidden_size"] for settings in drawn} == {4, 8, 16}
    for name, values in neuron_space(ModelSpec.parse("mlif"), 400).items():
        assert {settings["options"][name] for settings in drawn[3::2]} == set(values.values)
    assert not any("options" in settings for settings in [*drawn[:3], *drawn[::2]])


def test_a_short_search_tries_the_same_of_every_model() -> None:
    one, *others = (candidates(Search(4, SPACE), BabiConfig(model=name)) for name in ("gru", "lif", "liaf"))
    assert all(one == other for other in others)
    _, found = settle(BABI, study(), Search(4, SPACE), Rows(lambda _: 0.5))
    assert found.line.endswith("space: learning_rate log-uniform 0.0001 to 0.1, hidden_size 4 | 8 | 16")


def test_what_is_given_by_hand_is_not_searched() -> None:
    config = BabiConfig(model="lif:decay=0.33")
    for settings in candidates(Search(7, SPACE), config)[4::2]:
        assert set(settings["options"]) == {"threshold", "surrogate_width"}


@pytest.mark.parametrize("name", [name for name in known(["layer"]) if model(name).searched])
def test_the_layers_take_all_that_is_searched(name: str) -> None:
    for option, values in model(name).searched.items():
        for value in values:
            build_layer(ModelSpec(name=name, label=name, options=((option, value),)), 2, 4)


class Rows:
    """Stands for the runs: validation accuracies by a rule, and all that was asked for."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.asked: list[BabiConfig] = []

    def __call__(self, configs: Sequence[BabiConfig]) -> list[Run]:
        self.asked += configs
        return [self.row(config) for config in configs]

    def row(self, config: BabiConfig) -> Run:
        found = self.rule(config)
        parts = tuple(part.name for part in BABI.parts(config))
        # A test accuracy that would choose otherwise.
        done = None
        if found is not None:
            done = outcome(config.model.label, config.seed, dict.fromkeys(parts, 1 - found), valid=found)
        return Run(
            key=config.key(), model=config.model.label, name=config.model.name, parts=parts, seed=config.seed,
            hidden_size=config.hidden_size, settings={}, outcome=done, error=None if done else "x",
        )  # fmt: skip


def study(models: Sequence[str] = ("gru", "lif"), tasks: Sequence[int] = (1, 6)) -> list[BabiConfig]:
    return [
        BabiConfig(model=model, tasks=(task,), seed=seed)
        for seed in (0, 1)
        for task in tasks
        for model in models
    ]


def test_the_best_mean_over_all_tasks_is_chosen_once_a_model() -> None:
    def rule(run: BabiConfig) -> float:
        # Task 1 alone would take the size of 16, but task 6 loses more by it than task 1 wins.
        scores = {4: (0.5, 0.5), 8: (0.6, 0.6), 16: (0.7, 0.1), 64: (0.4, 0.4)}[run.hidden_size]
        return scores[run.tasks == (6,)]

    do = Rows(rule)
    runs, found = settle(BABI, study(), Search(8, SPACE), do)
    assert {run.hidden_size for run in runs} == {8}
    assert len({(run.model.label, run.learning_rate) for run in runs}) == 2
    assert [(run.model.label, run.tasks, run.seed) for run in runs] == [
        (run.model.label, run.tasks, run.seed) for run in study()
    ]
    assert all(run.score_test for run in runs)
    # Eight configurations of two models on two tasks, one seed that is none of the study's, no test set.
    assert len(do.asked) == 8 * 2 * 2
    assert {run.seed for run in do.asked} == {SEED} == {found.seed}
    assert not any(run.score_test for run in do.asked)
    assert {run.epochs for run in do.asked} == {study()[0].epochs}
    gru = found.models["gru"]
    assert gru.best.valid == pytest.approx(0.6)
    assert gru.best.by_run == (0.6, 0.6)
    assert gru.best.settings["hidden_size"] == 8
    assert [entry.valid for entry in gru.tried].index(0.6) == gru.chosen
    assert type(found)(**json.loads(json.dumps(found.to_json()))) == found


def test_a_search_on_some_tasks_chooses_for_all() -> None:
    do = Rows(lambda run: {(1,): 1 / run.hidden_size, (6,): run.hidden_size / 100}[run.tasks])
    runs, found = settle(BABI, study(), Search(8, SPACE, parts=("task 1",)), do)
    assert {run.hidden_size for run in runs} == {4}
    assert len(runs) == len(study())
    assert {run.tasks for run in do.asked} == {(1,)}
    assert found.parts == (("task 1",),)
    assert "chosen by validation accuracy on task 1; space" in found.line
    with pytest.raises(ValueError, match="no run of the study is on these parts of the search alone: task 2"):
        settle(BABI, study(), Search(8, SPACE, parts=("task 1", "task 2")), do)
    with pytest.raises(ValueError, match="alone: task 1"):
        settle(BABI, [BabiConfig(tasks=(1, 6))], Search(8, SPACE, parts=("task 1",)), do)


def test_equals_and_failures_leave_the_given_settings() -> None:
    runs, found = settle(BABI, study(), Search(3, SPACE), Rows(lambda _: 0.5))
    assert runs == study()
    assert found.models["lif"].chosen == 0
    runs, found = settle(BABI, study(), Search(3, SPACE), Rows(lambda _: None))
    assert runs == study()
    assert found.models["lif"].tried[2].errors == ("x", "x")

    def given_fails(run: BabiConfig) -> float | None:
        return None if run.hidden_size == 64 and run.tasks == (6,) else 0.1

    _, found = settle(BABI, study(), Search(3, SPACE), Rows(given_fails))
    assert found.models["gru"].tried[0].valid is None
    assert found.models["gru"].chosen == 1


def test_a_seed_of_the_study_is_not_that_of_the_search() -> None:
    do = Rows(lambda _: 0.5)
    settle(BABI, [replace(run, seed=SEED + run.seed) for run in study()], Search(2, SPACE), do)
    assert {run.seed for run in do.asked} == {SEED + 2}


def test_options_by_hand_stay_beside_those_that_are_drawn() -> None:
    configs = study(models=("lif:leak=0.1",))
    settled, _ = settle(BABI, configs, Search(5, SPACE), Rows(lambda run: float(len(run.model.options) > 1)))
    assert set(dict(settled[0].model.options)) == {"leak", *model("lif").searched}
    assert dict(settled[0].model.options)["leak"] == 0.1
    assert settled[0].model.label == "lif:leak=0.1"


def test_two_settings_of_one_model_are_searched_each() -> None:
    configs = study(models=("liaf", "liaf:gated=true"))
    rows = Rows(lambda run: run.learning_rate * (1 if run.model.label == "liaf" else -1) + 0.5)
    settled, found = settle(BABI, configs, Search(4, SPACE), rows)
    assert set(found.models) == {"liaf", "liaf:gated=true"}
    rates = {config.model.label: config.learning_rate for config in settled}
    assert rates["liaf"] > rates["liaf:gated=true"]
    assert all(dict(c.model.options).get("gated") for c in settled if c.model.label == "liaf:gated=true")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"gru": 1000, "lif": 981, "liaf": 1019},
            "as many parameters for all models as for gru, within 1.9%",
        ),
        ({"gru": 1000, "lif": 1000, "liaf": 1021}, "hidden size 64 for all models, whatever the number"),
    ],
)
def test_parameters_are_those_of_the_first_model(counts: dict[str, int], said: str) -> None:
    configs = study(models=tuple(counts), tasks=(1,))
    runs = [
        run_of(config.model.label, config.seed, {"task 1": 0.5}, parameters=counts[config.model.label])
        for config in configs
    ]
    assert said in (fairness(BABI, configs, runs, None).size or "")


def test_fairness_says_what_was_allowed() -> None:
    rows = Rows(lambda run: min(1.0, run.learning_rate))
    configs, found = settle(BABI, study(), Search(5, SPACE), rows)
    runs = [rows.row(config) for config in configs]
    about = fairness(BABI, configs, runs, found)
    assert "2 seeds; epochs 10, batch size 64" in about.budget
    assert about.size == "Size: as many parameters for all models as for gru, within 0.1%, on each part."
    assert about.search[0].startswith(
        "search: 5 configurations per model, one seed, 10 epochs, chosen by validation accuracy; space: "
        "learning_rate log-uniform 0.0001 to 0.1, hidden_size 4 | 8 | 16; lif: decay 0.2 | 0.5 | 0.9"
    )
    assert about.search[1].startswith("Chosen for gru (validation accuracy ")
    assert about.lines == (about.budget, about.size, *about.search)
    other = [
        run.model_copy(update={"outcome": run.done.model_copy(update={"parameters": count})})
        for run, count in zip(runs, (100, 200), strict=False)
    ]
    plain = fairness(BABI, study(), other, None)
    assert plain.size == "Size: hidden size 64 for all models, whatever the number of parameters."
    assert plain.search[0].startswith("No settings were searched: learning rate 0.003 for all models")
    alone = fairness(BABI, study(models=("gru",)), runs[:1], None)
    assert alone.budget.startswith("Every run reads the same")
    assert alone.lines[1:] == (
        "No settings were searched: learning rate 0.003, options of models as given or by default.",
    )


def test_bad_searches() -> None:
    with pytest.raises(ValueError, match=r"at least 2 configurations per model.*; got 1"):
        Search(1, SPACE)
    with pytest.raises(ValueError, match="at least one field"):
        Search(2, {})
    with pytest.raises(ValueError, match="0 < low < high"):
        LogUniform(1.0, 0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"search": 1}, "search: expected 0, or at least 2 configurations"),
        ({"search_on": "1"}, "search_on: is for --search N"),
        ({"search": 2, "search_on": "x"}, "search_on: expected numbers and ranges such as 1,4-6 or all"),
        (
            {"search": 2, "search_on": "2"},
            "search_on: no run of the study is on these parts .* alone: task 2",
        ),
    ],
)
def test_options_of_a_search(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError, match=message):
        StudyOptions(**fields).searched(BABI, study())
    assert StudyOptions().searched(BABI, study()) is None
    good = StudyOptions(search=3, search_on="6").searched(BABI, study())
    assert good is not None
    assert (good.configurations, good.parts) == (3, ("task 6",))


SMALL = {"questions": 60, "test_questions": 20, "hidden_size": 4, "embedding_size": 4, "epochs": 1}


def test_a_search_of_a_real_study_is_kept_and_repeated(tmp_path: Path) -> None:
    configs = [BabiConfig(model=model, **SMALL) for model in ("gru", "lif")]
    search = Search(3, {"learning_rate": LogUniform(1e-3, 1e-1), "dropout": Among((0.0, 0.5))})
    found = run_study(BABI, configs, tmp_path, search=search, engine=here)
    assert not found.failed
    assert found == read_study(tmp_path)
    assert found.search is not None
    assert found.fairness.search[0] == found.search.line
    for name, done in zip(("gru", "lif"), found.runs, strict=True):
        own = found.search.models[name]
        assert own.best.valid == max(trial.valid or 0.0 for trial in own.tried)
        _, config = read_config(tmp_path / done.key)
        assert config.seed == 0
        for field in ("learning_rate", "dropout"):
            assert getattr(config, field) == own.best.settings.get(field, getattr(configs[0], field))
        for trial in own.tried:
            (key,) = trial.runs
            result = Outcome.read(tmp_path / key / "result.json")
            assert (result.test, result.mean("accuracy"), result.cost) == ({}, None, None)
            assert result.valid.metrics["accuracy"] == trial.valid
    # All of it is there: the same command does nothing again, and a longer search only what is new.
    events: list[Event] = []
    again = run_study(BABI, configs, tmp_path, search=search, engine=here, on_progress=events.append)
    assert {event.kind for event in events} == {"kept"}
    assert again.search == found.search


def test_a_run_without_score_test_opens_no_test_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = data._load

    def guarded(config: BabiConfig, number: int, split: str) -> Any:
        assert split != "test"
        return load(config, number, split)

    guarded.cache_clear = load.cache_clear  # type: ignore[attr-defined]
    monkeypatch.setattr(data, "_load", guarded)
    fields = {**SMALL, "data_seed": 5}  # data that no other test has read
    found = run(BABI, BabiConfig(model="gru", score_test=False, **fields), tmp_path / "run")
    assert found.examples.test == {}
    with pytest.raises(AssertionError):
        run(BABI, BabiConfig(model="gru", **fields), tmp_path / "other")
