"""The search of settings: what is drawn, what is chosen and by what, and that the test set is not read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liafseq.tasks.babi import adapter, data
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.fairness import fairness
from liafseq.tasks.models import check_model, model_names, neuron_options
from liafseq.tasks.search import NEURON_SPACE, SEED, Among, LogUniform, Search, candidates, settle
from liafseq.tasks.study import Event, compare
from liafseq.tasks.worker import perform

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
    for name, values in NEURON_SPACE["mlif"].items():
        assert {settings["options"][name] for settings in drawn[1::2]} == set(values.values)
    assert not any("options" in settings for settings in drawn[::2])


def test_what_is_given_by_hand_is_not_searched() -> None:
    run = BabiConfig(model="lif", options={"decay": 0.33})
    for settings in candidates(Search(5, SPACE), run)[2::2]:
        assert set(settings["options"]) == {"threshold", "surrogate_width"}


@pytest.mark.parametrize("model", [name for name in model_names("babi") if neuron_options(name)])
def test_the_layers_take_all_that_is_searched(model: str) -> None:
    from liafseq.tasks.models import build_layer

    for name, values in NEURON_SPACE[model].items():
        check_model(model, "babi", {name: values.values[0]})
        for value in values.values:
            build_layer(model, 2, 4, options={name: value})


class Rows:
    """Stands for the runs: validation accuracies by a rule, and all that was asked for."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule
        self.asked: list[BabiConfig] = []

    def __call__(self, runs: Sequence[BabiConfig]) -> list[dict[str, Any]]:
        self.asked += runs
        rows = []
        for run in runs:
            score = self.rule(run)
            row = {"run": run.key(), "model": run.model, "tasks": list(run.tasks)}
            if score is None:
                rows.append({**row, "status": "failed", "error": "x"})
            else:
                # A test accuracy that would choose otherwise.
                rows.append(
                    {**row, "status": "finished", "valid_accuracy": score, "mean_accuracy": 1 - score}
                )
        return rows


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
    runs, found = settle(study(), Search(8, SPACE), do)
    assert {run.hidden_size for run in runs} == {8}
    assert len({(run.model, run.learning_rate) for run in runs}) == 2
    assert [(run.model, run.tasks, run.seed) for run in runs] == [
        (run.model, run.tasks, run.seed) for run in study()
    ]
    assert all(run.score_test for run in runs)
    # Eight configurations of two models on two tasks, one seed that is none of the study's, no test set.
    assert len(do.asked) == 8 * 2 * 2
    assert {run.seed for run in do.asked} == {SEED} == {found["seed"]}
    assert not any(run.score_test for run in do.asked)
    assert {run.epochs for run in do.asked} == {study()[0].epochs}
    gru = found["models"]["gru"]
    tried = gru["tried"][gru["chosen"]]
    assert tried["valid_accuracy"] == pytest.approx(0.6)
    assert tried["by_task"] == [0.6, 0.6]
    assert tried["settings"]["hidden_size"] == 8
    assert [entry["valid_accuracy"] for entry in gru["tried"]].index(0.6) == gru["chosen"]
    assert json.loads(json.dumps(found)) == found


def test_a_search_on_some_tasks_chooses_for_all() -> None:
    do = Rows(lambda run: {(1,): 1 / run.hidden_size, (6,): run.hidden_size / 100}[run.tasks])
    runs, found = settle(study(), Search(8, SPACE, tasks=(1,)), do)
    assert {run.hidden_size for run in runs} == {4}
    assert len(runs) == len(study())
    assert {run.tasks for run in do.asked} == {(1,)}
    assert found["tasks"] == [[1]]
    assert "chosen by validation accuracy on tasks 1; space" in found["line"]
    with pytest.raises(ValueError, match="no run of the study is on these tasks of the search alone: 2"):
        settle(study(), Search(8, SPACE, tasks=(1, 2)), do)
    with pytest.raises(ValueError, match="alone: 1"):
        settle([BabiConfig(tasks=(1, 6))], Search(8, SPACE, tasks=(1,)), do)


def test_equals_and_failures_leave_the_given_settings() -> None:
    runs, found = settle(study(), Search(3, SPACE), Rows(lambda _: 0.5))
    assert runs == study()
    assert found["models"]["lif"]["chosen"] == 0
    runs, found = settle(study(), Search(3, SPACE), Rows(lambda _: None))
    assert runs == study()
    assert found["models"]["lif"]["tried"][2]["errors"] == ["x", "x"]

    def given_fails(run: BabiConfig) -> float | None:
        return None if run.hidden_size == 64 and run.tasks == (6,) else 0.1

    _, found = settle(study(), Search(3, SPACE), Rows(given_fails))
    assert found["models"]["gru"]["tried"][0]["valid_accuracy"] is None
    assert found["models"]["gru"]["chosen"] == 1


def test_a_seed_of_the_study_is_not_that_of_the_search() -> None:
    do = Rows(lambda _: 0.5)
    settle([replace(run, seed=SEED + run.seed) for run in study()], Search(2, SPACE), do)
    assert {run.seed for run in do.asked} == {SEED + 2}


def test_options_by_hand_stay_beside_those_that_are_drawn() -> None:
    runs = [replace(run, options={"leak": 0.1}) for run in study(models=("lif",))]
    settled, _ = settle(runs, Search(3, SPACE), Rows(lambda run: float(len(run.options) > 1)))
    assert set(dict(settled[0].options)) == {"leak", *NEURON_SPACE["lif"]}


def test_fairness_says_what_was_allowed() -> None:
    runs, found = settle(study(), Search(4, SPACE), Rows(lambda run: run.learning_rate))
    rows = [{"model": run.model, "tasks": list(run.tasks), "parameters": 100} for run in runs]
    lines = fairness(runs, rows, found)
    assert "2 seeds; epochs 10, batch size 64" in lines[0]
    assert lines[1] == "Size: as many parameters for all models, within 0.1%, a task."
    assert lines[2].startswith(
        "search: 4 configurations a model, one seed, 10 epochs, chosen by validation accuracy; space: "
        "learning_rate log-uniform 0.0001 to 0.1, hidden_size 4 | 8 | 16; lif: decay 0.2 | 0.5 | 0.9"
    )
    assert lines[3].startswith("Chosen for gru (validation accuracy ")
    plain = fairness(study(), [{"tasks": [1], "parameters": n} for n in (100, 200)], None)
    assert plain[1] == "Size: hidden size 64 for all models, whatever the number of parameters."
    assert plain[2].startswith("No settings were searched: learning rate 0.003 for all models")
    alone = fairness(study(models=("gru",)), rows[:1], None)
    assert alone[0].startswith("Every run reads the same")
    assert alone[1:] == [
        "No settings were searched: learning rate 0.003, neuron options as given or by default."
    ]


def test_bad_searches() -> None:
    with pytest.raises(ValueError, match=r"at least 2 configurations a model.*; got 1"):
        Search(1, SPACE)
    with pytest.raises(ValueError, match="at least one field"):
        Search(2, {})
    with pytest.raises(ValueError, match="0 < low < high"):
        LogUniform(1.0, 0.1)


def here(jobs: Sequence[dict[str, Any]], **_: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """An engine in this process."""
    yield from ((index, perform(job)) for index, job in enumerate(jobs))


SMALL = {"questions": 60, "test_questions": 20, "hidden_size": 4, "embedding_size": 4, "epochs": 1}


def test_a_search_of_a_real_study_is_kept_and_repeated(tmp_path: Path) -> None:
    runs = [BabiConfig(model=model, **SMALL) for model in ("gru", "lif")]
    search = Search(3, {"learning_rate": LogUniform(1e-3, 1e-1), "dropout": Among((0.0, 0.5))})
    results = compare(runs, tmp_path, search=search, engine=here)
    assert [row["status"] for row in results["runs"]] == ["finished", "finished"]
    assert results["search"] == json.loads((tmp_path / "results.json").read_text())["search"]
    assert results["fairness"][2] == results["search"]["line"]
    for model, row in zip(("gru", "lif"), results["runs"], strict=True):
        found = results["search"]["models"][model]
        best = max(entry["valid_accuracy"] for entry in found["tried"])
        chosen = found["tried"][found["chosen"]]
        assert chosen["valid_accuracy"] == best
        config = adapter.read_config(tmp_path / row["run"])
        assert config.seed == 0
        for name in ("learning_rate", "dropout"):
            assert getattr(config, name) == chosen["settings"].get(name, getattr(runs[0], name))
        for entry in found["tried"]:
            (trial,) = entry["runs"]
            result = json.loads((tmp_path / trial / "result.json").read_text())
            assert (result["accuracy"], result["mean_accuracy"]) == ({}, None)
            assert result["valid_accuracy"] == entry["valid_accuracy"]
    # All of it is there: the same command does nothing again, and a longer search only what is new.
    events: list[Event] = []
    again = compare(runs, tmp_path, search=search, engine=here, on_progress=events.append)
    assert {event.kind for event in events} == {"kept"}
    assert again["search"] == results["search"]


def test_a_run_without_score_test_opens_no_test_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = data._load

    def guarded(config: BabiConfig, task: int, split: str) -> Any:
        assert split != "test"
        return load(config, task, split)

    monkeypatch.setattr(data, "_load", guarded)
    result = adapter.run(BabiConfig(model="gru", score_test=False, **SMALL), tmp_path)
    assert result["questions"]["test"] == {}
    with pytest.raises(AssertionError):
        adapter.run(BabiConfig(model="gru", **SMALL), tmp_path / "other")
