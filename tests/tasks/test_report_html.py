"""The report: one HTML file that needs nothing else, and its Markdown twin."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from liafseq.tasks.babi.stories.names import TASK_NAMES
from liafseq.tasks.models import model_names
from liafseq.tasks.plots import look
from liafseq.tasks.report import read_results, write_html
from liafseq.tasks.report_blocks import Table
from liafseq.tasks.report_content import report
from liafseq.tasks.report_markdown import escaped
from liafseq.tasks.report_panels import svg
from liafseq.tasks.report_plots import accuracy_panels, cost_panels, curve_panels, pareto
from liafseq.tasks.statistics import compare_pairs
from liafseq.tasks.study import summarise

from .made_up import HOSTILE, made_up, write_study

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page, and insists that each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, list[Path]]:
    """The report on a study with one failed run."""
    return written(tmp_path_factory.mktemp("whole"), made_up(failed=True))


def written(tmp_path: Path, results: dict[str, Any]) -> tuple[Page, str, list[Path]]:
    folder = write_study(tmp_path / "study", results)
    files = write_html(read_results(folder), folder, folder / "report.html", TASK_NAMES)
    text = (folder / "report.html").read_text(encoding="utf-8")
    return Page(text), (folder / "report.md").read_text(encoding="utf-8"), files


def cells(results: dict[str, Any], section: int, folder: Path = Path()) -> list[list[str]]:
    table = next(b for b in report(results, folder).sections[section].blocks if isinstance(b, Table))
    return [table.header, *table.rows]


def test_the_page_needs_nothing_else(whole: tuple[Page, str, list[Path]]) -> None:
    page, _, files = whole
    assert [path.name for path in files] == [
        "report.html", "report.md", "report-time.png", "report-cost.png", "report-curves.png",
        "report-accuracy.png",
    ]  # fmt: skip
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/svg+xml;base64,"))
    text = files[0].read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    images = page.named("img")
    assert len(images) == 4 + 3 + 3 + 2 + 1  # accuracy, legend, curves, cost, time
    for image in images:
        tree = ElementTree.fromstring(base64.b64decode((image["src"] or "").partition(",")[2]))
        for element in tree.iter():
            for name, value in element.attrib.items():
                assert not name.endswith("}href") or value.startswith("#")
    assert sum(bool(image["alt"]) for image in images) == 10  # the legend has its names as text
    assert len(page.named("h1")) == 1
    assert page.named("html")[0]["lang"] == "en"
    # Each link within the page has its goal.
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {(a["href"] or "")[1:] for a in page.named("a")} <= ids


def test_hostile_texts_are_shown_and_not_obeyed(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    assert HOSTILE in "".join(page.words)
    line = next(line for line in text.splitlines() if "alert" in line)
    assert r"\<script\>" in line
    assert r"a \| b \`c\` \*d\*" in line


def test_it_says_what_was_run(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    words = " ".join(page.words)
    for part in (
        "liaf, lif and gru on bAbI tasks 1, 6 and 12",
        "generated bAbI questions; data seed 0",
        "900 training, 100 validation, 1,000 test questions a run",
        "0, 1 and 2 (weights, order of batches, dropout)",
        "10 epochs, batch 64, Adam, learning rate 0.003",
        "27 runs, 4 min 45 s of training in all",
        "python 3.11.7, liafseq 0.1.0",
        "What each model was allowed",
        "task 6: yes no questions",
        "energy: of these alone, 4.6 pJ a multiply-accumulate",
    ):
        assert part in words or part in str([image["alt"] for image in page.named("img")]), part
    assert "| Split | 900 training, 100 validation, 1,000 test questions a run |" in text.splitlines()


def test_the_statements_are_those_of_the_statistics() -> None:
    results = made_up()
    short = report(results, Path()).short
    items = dict(short[1].items)  # type: ignore[union-attr]
    assert list(items) == ["gru", "liaf", "lif"]  # by mean accuracy
    assert items["lif"].endswith("; worse than liaf and gru.")
    assert re.fullmatch(r"\d\d\.\d% \(\d\d\.\d to \d\d\.\d\); better than liaf and lif\.", items["gru"])
    table = cells(results, 2)
    assert table[0][:2] == ["models", "what the runs say"]
    verdicts = {row[0]: row[1] for row in table[1:]}
    assert verdicts["liaf against lif"] == "liaf is better"
    assert verdicts["lif against gru"] == "lif is worse"


def test_one_seed_is_told_apart_from_nothing() -> None:
    results = made_up(seeds=1)
    text = str(report(results, Path()))
    assert "too few runs: no test of this size could tell (7 pairs needed)" in text
    assert "too few runs to tell it apart from liaf or gru" in text
    assert "one seed: how sure it is, one run cannot say" in text
    assert "±" not in text
    assert " is better" not in text


def test_nothing_of_a_table_is_bold_but_its_headers(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    assert all("**" not in line for line in text.splitlines() if line.startswith("|"))
    assert len(page.named("strong")) == 3 + 1 + 4  # the summary's models, what failed, the methods


def test_cells_of_the_accuracy_table() -> None:
    table = cells(made_up(), 1)
    assert table[0] == ["model", "task 1", "task 6", "task 12", "mean", "solved"]
    assert re.fullmatch(r"\d\d\.\d ± \d\.\d\n\d\d\.\d to \d\d\.\d", table[1][1])
    assert table[-1] == ["most frequent answer", "20.0", "20.0", "20.0", "20.0", ""]


def test_many_tasks_are_lines_instead_of_columns() -> None:
    table = cells(made_up(list(range(1, 21))), 1)
    assert table[0] == ["model", "liaf", "lif", "gru", "most frequent answer"]
    assert [row[0] for row in table[1:]] == [*(f"task {n}" for n in range(1, 21)), "mean", "solved"]


@pytest.mark.parametrize(
    ("tasks", "more"),
    [([6], {"costs": False, "seeds": 1}), (["nmnist"], {}), (["digits", "gestures"], {"failed": True})],
    ids=str,
)
def test_any_study_has_a_report(tmp_path: Path, tasks: list[Any], more: dict[str, Any]) -> None:
    page, text, _ = written(tmp_path, made_up(tasks, **more))
    assert all(str(task) in "".join(page.words) for task in tasks)
    assert ("energy" in text) == more.get("costs", True)
    if isinstance(tasks[0], str):
        assert "compressed by synapse into 6 steps" in text
        assert "recordings a run" in text


def test_a_hostile_name_of_a_model_or_task(tmp_path: Path) -> None:
    results = made_up(["$x^<title>"], seeds=1, costs=False)
    for row in results["runs"]:
        row["model"] = row["model"].replace("gru", '_$\\frac"<b>')
    page, text, _ = written(tmp_path, results)
    assert '_$\\frac"<b>' in "".join(page.words)
    assert not page.named("b")
    assert r"\_\$\\frac" in text


def test_nothing_finished(tmp_path: Path) -> None:
    results = made_up([1], seeds=1)
    for row in results["runs"]:
        row.update(status="failed", error="no luck")
    page, text, files = written(tmp_path, results)
    assert [path.suffix for path in files] == [".html", ".md"]
    assert "no finished run in common" in "".join(page.words)
    assert "nothing to compare" in text


def test_results_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    results = made_up(costs=False)
    new = read_results(write_study(tmp_path, results))
    for name in ("pairwise", "command", "versions", "baseline"):
        del results[name]
    for entry in results["summary"]:
        for spread in (*entry["accuracy"].values(), entry["mean_accuracy"]):
            del spread["interval"]
    results["time"] = {"seconds": 1.0, "jobs": 1}
    old = read_results(write_study(tmp_path, results))
    assert old["summary"] == new["summary"] == summarise(results["runs"])
    assert old["pairwise"] == compare_pairs(results["runs"])
    assert "liafseq compare babi --models liaf,lif,gru" in str(report(old, tmp_path))


DAMAGE = {
    "not json": "{",
    "a list": "[]",
    "no runs": '{"settings": {}, "runs": []}',
    "runs no list": '{"settings": {}, "runs": 3}',
    "a run without status": '{"settings": {}, "runs": [{"model": "a", "seed": 0, "tasks": [1]}]}',
    "figures no numbers": '{"settings": {}, "runs": [{"model": "a", "seed": 0, "tasks": [1], "status": '
    '"finished", "accuracy": {"1": "x"}, "parameters": 1, "time": {"train_seconds": 1}, "hidden_size": 1}]}',
    "not its tasks": '{"settings": {}, "runs": [{"model": "a", "seed": 0, "tasks": [1], "status": '
    '"finished", "accuracy": {"2": 0.5}, "parameters": 1, "time": {"train_seconds": 1}, "hidden_size": 1}]}',
}


@pytest.mark.parametrize("text", DAMAGE.values(), ids=DAMAGE)
def test_damaged_results_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=r"results\.json"):
        read_results(tmp_path)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not the folder of a finished study: no results\.json"):
        read_results(tmp_path)


def test_a_damaged_curve_is_left_out_and_named(tmp_path: Path) -> None:
    results = made_up()
    folder = write_study(tmp_path, results)
    path = folder / results["runs"][0]["run"] / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n')
    panels, unread = curve_panels(results, folder)
    assert len(panels) == 3
    assert len(unread) == 1
    assert str(path) in unread[0]
    assert f"Left out, because it cannot be read: {path}:1:" in str(report(results, folder))


def test_equal_results_make_equal_files(tmp_path: Path) -> None:
    results = made_up([6], seeds=1)
    folder = write_study(tmp_path, results)
    first, second = (write_html(results, folder, tmp_path / name / "r.html") for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_pareto_front() -> None:
    assert pareto({"a": (1, 0.5), "b": (1, 0.5), "c": (2, 0.5), "d": (0.5, 0.1)}) == ["d", "a", "b"]
    assert pareto({"a": (1, 0.5)}) == ["a"]
    first, second = cost_panels(made_up())
    assert first.alt.endswith("On the Pareto front: liaf and gru.")
    assert second.alt.endswith("On the Pareto front: lif, liaf and gru.")
    assert not cost_panels({**made_up(costs=False), "summary": made_up()["summary"][:1]})
    assert len(cost_panels(made_up(costs=False))) == 1


def test_no_two_models_look_alike_even_without_colour() -> None:
    names = set(model_names("babi")) | set(model_names("dvs"))
    looks = {
        (look(name)["marker"], look(name)["linestyle"], look(name)["markerfacecolor"] == "white")
        for name in names
    }
    assert len(looks) == len(names)


def test_panels_are_small_svg_files() -> None:
    panels = accuracy_panels(made_up(), TASK_NAMES)
    assert panels[0].alt.startswith("mean of 3 tasks: test accuracy of liaf ")
    assert panels[2].alt.startswith("task 6: yes no questions: test accuracy of liaf 8")
    content = svg(panels[0])
    assert content == svg(panels[0])
    assert len(content) < 40_000
    assert b"<text" not in content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("1. one", r"1\. one"),
        ("58.2% of", "58.2% of"),
        ("-0.9", "-0.9"),
        ("- item", r"\- item"),
        ("# head", r"\# head"),
        ("two\n\nlines", "two lines"),
        ("&lt; & &#60;", "&amp;lt; & &amp;#60;"),
        ("[x](y)", r"\[x\](y)"),
    ],
)
def test_markdown_is_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected
