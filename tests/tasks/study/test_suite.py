"""Several tasks as one study: ranks, the file, the folder, stopping and going on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import liafseq.tasks
from liafseq.tasks.config import FieldError
from liafseq.tasks.execution import engines
from liafseq.tasks.results import read_study
from liafseq.tasks.study.compare import Event
from liafseq.tasks.study.ranks import critical_difference, rank_tasks
from liafseq.tasks.study.suite import DEFAULT
from liafseq.tasks.study.suite_file import plan_suite, suite_toml
from liafseq.tasks.suite_results import Suite, read_results
from liafseq.tasks.task import names
from liafseq.tasks.toml import read_toml

from ..here import here
from ..small_stories import TINY, write_stories
from .simulated_studies import simulate_ranks

# Ranks


def test_ranks_of_a_hand_computed_example() -> None:
    # Ranks by hand: one 1 2 3, two 1 2.5 2.5 (a tie), three 2 1 3, four 1 2 3; sums 5 7.5 11.5.
    found = rank_tasks(
        {
            "one": {"a": 0.9, "b": 0.8, "c": 0.7},
            "two": {"a": -1.5, "b": -2.0, "c": -2.0},
            "three": {"a": 0.5, "b": 0.6, "c": 0.1},
            "lost": {"a": 0.5, "b": None, "c": 0.1},
            "four": {"a": 3e6, "b": 2e6, "c": -1e6},
        }
    )
    assert found.tasks == ("one", "two", "three", "four")
    assert found.left_out == {"lost": ("b",)}
    assert found.by_task == {"a": (1, 1, 2, 1), "b": (2, 2.5, 1, 2), "c": (3, 2.5, 3, 3)}
    assert found.mean == {"a": 1.25, "b": 1.875, "c": 2.875}
    assert found.ordered() == ["a", "b", "c"]


def test_the_p_value_is_friedmans_by_permutation() -> None:
    """scipy's statistic, with its correction for ties, on all permutations of a small example."""
    rng = np.random.default_rng(0)
    values = rng.normal((0.9, 0, 0), size=(4, 3))
    values[1, 1] = values[1, 2]
    tasks = {str(at): dict(zip("abc", row, strict=True)) for at, row in enumerate(values)}

    def statistic(*columns: Any, axis: int = -1) -> Any:
        return stats.friedmanchisquare(*columns, axis=axis).statistic

    each = [list(itertools.permutations(row)) for row in values]
    observed = statistic(*values.T)
    # The first task keeps its order: only the others' relative to it matters.
    drawn = [statistic(*np.array([values[0], *rows]).T) for rows in itertools.product(*each[1:])]
    exact = np.mean(np.array(drawn) >= observed - 1e-9)
    found = rank_tasks(tasks)
    assert 0.05 < exact < 0.6
    assert found.p == pytest.approx(exact, abs=0.01)
    # With many tasks it is the limit that scipy gives.
    many = rng.normal((0.3, 0, 0, 0), size=(60, 4))
    p = rank_tasks({str(at): dict(zip("abcd", row, strict=True)) for at, row in enumerate(many)}).p
    assert p == pytest.approx(stats.friedmanchisquare(*many.T).pvalue, abs=0.02)


@pytest.mark.parametrize("models", [3, 5])
def test_the_critical_difference_is_nemenyis_for_many_tasks(models: int) -> None:
    tasks = 40
    limit = stats.studentized_range.ppf(0.95, models, np.inf) / 2**0.5
    limit *= (models * (models + 1) / (6 * tasks)) ** 0.5  # Demsar 2006, section 3.2.2
    found = critical_difference([tuple(range(1, models + 1))] * tasks)
    assert found == pytest.approx(limit, abs=1.5 / tasks)


def test_the_least_difference_that_so_few_permutations_reach() -> None:
    # Three models and three tasks: the range is 6, its largest, in 6 of 36 permutations of two tasks: 1/36.
    assert critical_difference([(1, 2, 3)] * 3) == 2.0
    assert critical_difference([(1, 2, 3)] * 2) is None
    assert critical_difference([(1, 2)] * 5) is None  # 2 / 2^5 > 0.05
    assert critical_difference([(1, 2)] * 6) == 1.0
    assert critical_difference([(2, 2, 2)] * 9) is None


def test_groups_that_are_not_told_apart() -> None:
    ranks = rank_tasks({str(at): {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1} for at in range(8)})
    assert ranks.critical == 2.25
    assert ranks.together() == [["a", "b", "c"], ["b", "c", "d"], ["c", "d", "e"]]
    assert ranks.apart("a", "d")
    assert not ranks.apart("c", "a")


def test_one_model_one_task_and_none() -> None:
    assert rank_tasks({"one": {"a": 1.0}}).p is None
    assert rank_tasks({"one": {"a": 1.0, "b": 0.5}}).critical is None
    nothing = rank_tasks({"one": {"a": 1.0, "b": None}})
    assert (nothing.tasks, nothing.mean, nothing.p, nothing.critical) == ((), {}, None, None)


def test_in_at_most_one_study_in_twenty_models_are_told_apart_by_chance() -> None:
    found = simulate_ranks("same", 60, models=5, tasks=8)
    assert found.any_told <= 8  # 3.5% are expected
    power = simulate_ranks("same", 15, models=5, tasks=8, effect=0.1)
    assert power.told / power.pairs > 0.4
    assert power.wrong_way == 0


# The file


def planned(text: str, tmp_path: Path, **over: Any) -> Any:
    file = tmp_path / "suite.toml"
    file.write_text(text)
    return plan_suite(read_toml(file, "suite.toml"), "suite.toml", over)


def test_what_the_top_says_goes_to_each_task_that_has_it_and_a_table_wins(tmp_path: Path) -> None:
    text = """
        models = "liaf,gru"
        seeds = 2
        epochs = 3
        embedding-size = 7
        [[task]]
        task = "babi"
        tasks = "1,6"
        [[task]]
        task = "dvs"
        label = "digits"
        epochs = 4
        models = "liaf=conv-liaf,gru=conv-lstm"
    """
    found = planned(text, tmp_path)
    assert list(found) == ["babi", "digits"]
    babi, dvs = found.values()
    assert (babi.config.epochs, babi.config.embedding_size, babi.options.seeds) == (3, 7, 2)
    assert (dvs.config.epochs, dvs.options.seeds) == (4, 2)
    assert [config.model.name for config in dvs.configs] == ["conv-liaf", "conv-lstm"] * 2
    assert [config.model.label for config in dvs.configs] == ["liaf", "gru"] * 2
    assert babi.command[:3] == ("liafseq", "compare", "babi")
    over = planned(text, tmp_path, epochs=9)
    assert {config.epochs for one in over.values() for config in one.configs} == {9}
    again = planned(suite_toml(found), tmp_path)
    assert [one.configs for one in again.values()] == [one.configs for one in found.values()]
    assert [one.options for one in again.values()] == [one.options for one in found.values()]


BABI = '[[task]]\ntask = "babi"\n'
WRONG = {
    "seeds = 2": r"suite.toml: expected \[\[task\]\] tables",
    "[task]\nname = 1": r"suite.toml: expected \[\[task\]\] tables",
    "[[task]]\nepochs = 2": r'suite.toml: \[\[task\]\] 1: expected task = "NAME", got None',
    '[[task]]\ntask = "chess"': r"suite.toml: \[\[task\]\] 1: no task 'chess'; the tasks are babi",
    f"{BABI}foo = 2": r"suite.toml: \[\[task\]\] 1 \(babi\): no option 'foo'; the options are attention",
    f"foo = 2\n{BABI}": "suite.toml: no option 'foo'; the options are",
    f"{BABI}epochs = 0": r"suite.toml: \[\[task\]\] 1 \(babi\): epochs must be at least 1, got 0",
    f'{BABI}model-kind = "deep"': r"\[\[task\]\] 1 \(babi\): model-kind must be one of plain, story",
    f"{BABI}hops = 3": r"\[\[task\]\] 1 \(babi\): hops: is for --model-kind story",
    f"{BABI}jobs = 3": r"\[\[task\]\] 1 \(babi\): jobs is of all tasks; say it above the tables",
    f'{BABI}label = "../x"': r"\[\[task\]\] 1: label: expected letters, digits, - and _, got '../x'",
    f"{BABI}{BABI}": r"\[\[task\]\] 2 \(babi\): label 'babi' is there already",
    f'models = "liaf,gru"\n{BABI}[[task]]\ntask = "dvs"\nmodels = "liaf,conv-lstm"': (
        r"\[\[task\]\] 2 \(dvs\): dvs has no model 'gru', which babi has; label them alike"
    ),
    f'models = "liaf"\n{BABI}[[task]]\ntask = "dvs"\nmodels = "liaf,gru"': (
        r"\[\[task\]\] 2 \(dvs\): babi has no model 'gru', which dvs has"
    ),
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text.replace("\n", " "))
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]):
        planned(text, tmp_path)


def test_settings_that_no_task_has(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"nonsense is no setting of these tasks \(babi\)"):
        planned(BABI, tmp_path, nonsense=3)
    with pytest.raises(FieldError, match="epochs must be at least 1"):
        planned(BABI, tmp_path, epochs=0)


def test_sizes_that_do_not_meet_name_their_task(tmp_path: Path) -> None:
    content = {
        "models": "liaf,gru",
        "match": "params",
        "task": [
            {"task": "synthetic", "label": "large", "hidden_size": 64},
            {"task": "synthetic", "label": "small", "hidden_size": 2},
        ],
    }
    with pytest.raises(ValueError, match=r"^\[\[task\]\] small: no hidden size gives gru .* the nearest is"):
        liafseq.tasks.compare_suite(content, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_the_packaged_suite_is_of_tasks_that_there_are() -> None:
    found = plan_suite(read_toml(DEFAULT, "suite"), "suite", {})
    assert {one.task.name for one in found.values()} <= set(names())
    assert len(found) >= 2


# The study


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two tasks of four runs each, done in this process."""
    monkeypatch.setattr(engines, "run_jobs", here)
    write_stories(tmp_path / "data")
    own = {"task": "babi", "source": str(tmp_path / "data"), "tasks": "1"}
    tables = [{**own, "label": "first"}, {**own, "label": "second", "data-seed": 1}]
    return {"models": "gru,rnn", "seeds": 2, "epochs": 2, **TINY, "task": tables}


def test_a_suite_is_a_list_of_ordinary_studies_and_ranks(content: dict[str, Any], tmp_path: Path) -> None:
    events: list[tuple[str, Event]] = []
    folder = tmp_path / "suite"
    suite = liafseq.tasks.compare_suite(content, folder, on_progress=lambda *heard: events.append(heard))
    assert suite == Suite.read(folder / "suite.json") == read_results(folder)
    assert suite.models == ("gru", "rnn")
    assert [label for label, event in events if event.kind == "finished"] == ["first"] * 4 + ["second"] * 4
    for entry in suite.entries:
        study = read_study(folder / entry.label)
        assert entry.summary == study.summary
        assert (folder / entry.label / "report.html").exists()
        values = {one.model: one.mean["accuracy"].mean for one in entry.summary if one.mean["accuracy"]}
        better = max(values, key=values.__getitem__)
        at = suite.ranks.tasks.index(entry.label)
        assert suite.ranks.by_task[better][at] == (1.5 if len(set(values.values())) == 1 else 1)
    for name in ("report.html", "report.md", "table.md", "suite.toml", "rank-cost.png", "mean-ranks.png"):
        assert (folder / name).exists(), name

    # The same again repeats nothing; the file in the folder repeats it elsewhere.
    events.clear()
    again = liafseq.tasks.compare_suite(
        content, folder, report=False, on_progress=lambda *e: events.append(e)
    )
    assert {event.kind for _, event in events} == {"kept"}
    assert again.model_dump(exclude={"time"}) == suite.model_dump(exclude={"time"})
    other = liafseq.tasks.compare_suite(folder / "suite.toml", tmp_path / "other", report=False)
    assert other.ranks == suite.ranks


def test_stopped_it_goes_on_where_it_was(content: dict[str, Any], tmp_path: Path) -> None:
    whole = liafseq.tasks.compare_suite(content, tmp_path / "whole", report=False)
    seen: list[str] = []

    def stop(label: str, event: Event) -> None:
        if event.kind == "finished":
            seen.append(label)
            if len(seen) == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        liafseq.tasks.compare_suite(content, tmp_path / "suite", report=False, on_progress=stop)
    assert seen == ["first"] * 4 + ["second"] * 2
    assert not (tmp_path / "suite" / "suite.json").exists()
    kinds: list[str] = []
    suite = liafseq.tasks.compare_suite(
        content, tmp_path / "suite", report=False, on_progress=lambda _, event: kinds.append(event.kind)
    )
    assert (kinds.count("kept"), kinds.count("finished")) == (6, 2)
    assert suite.ranks == whole.ranks
    assert [entry.score("gru") for entry in suite.entries] == [entry.score("gru") for entry in whole.entries]


def test_a_task_on_which_a_run_fails_is_left_out_and_said(content: dict[str, Any], tmp_path: Path) -> None:
    first = plan_suite(content, "suite", {})["second"].configs[0]
    run = tmp_path / "suite" / "second" / first.key()
    run.mkdir(parents=True)
    (run / "resume.safetensors").write_bytes(b"damaged")
    suite = liafseq.tasks.compare_suite(content, tmp_path / "suite")
    assert suite.ranks.tasks == ("first",)
    assert suite.ranks.left_out == {"second": ("gru",)}
    assert len(suite.failed) == 1
    assert suite.failed[0].startswith("second: gru, task 1, seed 0: ")
    for name in ("report.md", "table.md"):
        text = (tmp_path / "suite" / name).read_text()
        assert "second is not ranked: runs of gru have failed." in text
        assert "failed" in text
    table = (tmp_path / "suite" / "table.md").read_text()
    assert "| second | accuracy, %, higher | failed | " in table


def test_a_folder_of_something_else_is_refused(content: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    liafseq.tasks.compare_suite(content, folder, report=False)
    run = next(path for path in (folder / "first").iterdir() if path.is_dir())
    own = tmp_path / "own"
    own.mkdir()
    (own / "suite.toml").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    relabelled = {
        **content,
        "task": [{**table, "label": f"x{at}"} for at, table in enumerate(content["task"])],
    }
    cases = [
        (own, content, "holds files that are not of this study (suite.toml)"),
        (run, content, "holds a run, not a study over several tasks"),
        (folder / "first", content, "holds a study of one task"),
        (folder, relabelled, "holds another study over several tasks (first, second)"),
        (folder, {**content, "batch-size": 7}, "holds another study (gru, rnn)"),
    ]
    for where, what, expected in cases:
        with pytest.raises(ValueError, match="give another --out, or delete it") as raised:
            liafseq.tasks.compare_suite(what, where)
        assert expected in str(raised.value)
    with pytest.raises(ValueError, match="holds files that are not of a study"):
        liafseq.tasks.compare("babi", "gru", folder, source=content["task"][0]["source"], **TINY)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # One task more is the same suite going on; a damaged suite.json is made again.
    more = {**content, "task": [*content["task"], {**content["task"][0], "label": "third"}]}
    (folder / "suite.json").write_text("{")
    assert [entry.label for entry in liafseq.tasks.compare_suite(more, folder, report=False).entries] == [
        "first", "second", "third",
    ]  # fmt: skip
    content_of_json = json.loads((folder / "suite.json").read_text())
    (folder / "suite.json").write_text(json.dumps({**content_of_json, "schema_version": 2}))
    with pytest.raises(ValueError, match="not that of a study of this version"):
        liafseq.tasks.compare_suite(more, folder, report=False)
