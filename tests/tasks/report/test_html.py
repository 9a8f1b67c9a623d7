"""The report: one HTML file that needs nothing else, and its Markdown twin."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from liafseq.tasks.babi.task import Babi
from liafseq.tasks.report import content
from liafseq.tasks.report.blocks import Captioned, Items, Pictures
from liafseq.tasks.report.content import report
from liafseq.tasks.report.markdown import escaped
from liafseq.tasks.report.plots import cost_panels, curves_of, pareto, score_panels
from liafseq.tasks.report.style import svg
from liafseq.tasks.report.write import write_html
from liafseq.tasks.results import Fairness, Study, read_study
from liafseq.tasks.task import ACCURACY, Mistake
from liafseq.tasks.training import trained

from .made_up import HOSTILE, failed, finished, made_up, study_of, write_log, write_study

TWENTY = [f"task {number}" for number in range(1, 21)]
COMMAND = ("liafseq", "compare", "babi", "--models", "liaf,lif,gru", "--seeds", "1")


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
    return written(tmp_path_factory.mktemp("whole"), made_up(one_failed=True, command=COMMAND))


def written(tmp_path: Path, study: Study) -> tuple[Page, str, list[Path]]:
    folder = write_study(tmp_path / "study", study)
    files = write_html(read_study(folder), folder, folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    return Page(text), (folder / "report.md").read_text(encoding="utf-8"), files


def cells(study: Study, title: str, folder: Path = Path()) -> list[tuple[str, ...]]:
    section = next(section for section in report(study, folder).sections if section.title == title)
    table = next(block.table for block in section.blocks if isinstance(block, Captioned))
    return [table.header, *table.rows]


def texts(study: Study, folder: Path = Path()) -> str:
    return str(report(study, folder))


def test_the_page_needs_nothing_else(whole: tuple[Page, str, list[Path]]) -> None:
    page, _, files = whole
    assert [path.name for path in files] == [
        "report.html", "report.md", "accuracy.png", "learning-curves.png", "cost.png", "time.png",
    ]  # fmt: skip
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/svg+xml;base64,", "./")[: 3 if tag == "a" else 2])
    text = files[0].read_text(encoding="utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in str(page.named("meta"))
    images = page.named("img")
    assert len(images) == 4 + (3 + 3) + (3 + 2) + 1  # accuracy, curves and cost with legends, time
    for image in images:
        tree = ElementTree.fromstring(base64.b64decode((image["src"] or "").partition(",")[2]))
        for element in tree.iter():
            for name, value in element.attrib.items():
                assert not name.endswith("}href") or value.startswith("#")
    assert sum(bool(image["alt"]) for image in images) == 10  # the legend has its names as text
    assert len(page.named("h1")) == 1
    assert page.named("html")[0]["lang"] == "en"
    # Each link within the page has its goal, and each of the others its file.
    ids = {attributes.get("id") for _, attributes in page.tags}
    links = [a["href"] or "" for a in page.named("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= ids
    outside = [link for link in links if not link.startswith("#")]
    assert len(outside) == 1 + 27
    assert all((files[0].parent / link).exists() for link in outside)


def test_a_report_elsewhere_links_to_the_study(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "my study", made_up(["task 1"], seeds=1))
    (tmp_path / "other").mkdir()
    html, text, *pictures = write_html(read_study(folder), folder, tmp_path / "other" / "mine.html")
    assert [path.name for path in (text, *pictures)] == [
        "mine.md", "mine-accuracy.png", "mine-learning-curves.png", "mine-cost.png", "mine-time.png",
    ]  # fmt: skip
    assert "](mine-accuracy.png)" in text.read_text(encoding="utf-8")
    for link in ("../my%20study/results.json", "../my%20study/gru-task-1-0"):
        assert f'href="{link}"' in html.read_text(encoding="utf-8")
        assert f"]({link})" in text.read_text(encoding="utf-8")


def test_hostile_texts_are_shown_and_not_obeyed(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    assert HOSTILE in "".join(page.words)
    line = next(line for line in text.splitlines() if "alert" in line)
    assert r"\<script\>" in line
    assert r"a \| b \`c\` \*d\*" in line


def test_a_hostile_key_is_no_protocol(tmp_path: Path) -> None:
    study = study_of([failed("gru", "task 1", 0, key="javascript:alert(1)")])
    out = write_html(study, tmp_path, tmp_path / "report.html")[0]
    assert 'href="./javascript%3Aalert%281%29"' in out.read_text(encoding="utf-8")


def test_it_says_what_was_run(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    words = " ".join(page.words)
    for part in (
        "liaf, lif and gru on bAbI question answering: task 1, task 6 and task 12",
        "generated bAbI questions; data seed 0",
        "900 training, 100 validation, 1,000 test questions per run",
        "0, 1 and 2 (weights, order of batches, dropout)",
        "Adam, epochs 10, batch size 64, learning rate 0.003",
        "27 runs, 4 min 45 s of training in all",
        "python 3.11.7, liafseq 0.1.0",
        "2025-11-20",
        "liaf: leaky integrate and analog fire; lif: leaky integrate and fire; gru: gated recurrent unit",
        "What each model was allowed",
        "task 6: yes no questions",
        "energy: of these alone, 4.6 pJ",
        "Told apart are two models whose difference is more than the luck of the seeds explains",
        "without the first step",
    ):
        assert part in words or part in str([image["alt"] for image in page.named("img")]), part
    assert "| Examples | 900 training, 100 validation, 1,000 test questions per run |" in text.splitlines()
    assert words.count("leaky integrate and analog fire") == 1


def test_the_statements_are_those_of_the_statistics() -> None:
    study = made_up()
    short = report(study, Path()).short
    assert isinstance(short[1], Items)
    items = dict(short[1].items)
    assert list(items) == ["gru", "liaf", "lif"]  # by mean accuracy
    assert items["lif"].endswith("; worse than liaf and gru.")
    assert re.fullmatch(r"\d\d\.\d% \(\d\d\.\d to \d\d\.\d\); better than liaf and lif\.", items["gru"])
    table = cells(study, "Which models are told apart")
    assert table[0][:2] == ("models", "what the runs say")
    verdicts = {row[0]: row[1] for row in table[1:]}
    assert verdicts["liaf against lif"] == "liaf is better"
    assert verdicts["lif against gru"] == "lif is worse"


def test_too_few_runs_are_said_once_with_the_command_that_is_enough() -> None:
    study = made_up(seeds=1, command=COMMAND)
    text = texts(study)
    assert text.lower().count("too few runs") == 1
    assert "each needs 7 pairs of runs before any difference can show, and there are 3" in text
    assert "liafseq compare babi --models liaf,lif,gru --seeds 3'" in text
    assert "one seed: how sure it is, one run cannot say" in text
    assert "±" not in text
    assert " is better" not in text
    assert cells(study, "Which models are told apart")[0][1] == "difference (points)"
    assert "With 3 seeds there would be enough" in texts(made_up(seeds=1))


def test_of_a_model_that_failed_nothing_is_said_but_that() -> None:
    runs = [finished("gru", "task 1", 0, 0.9), finished("lif", "task 1", 0, 0.8)]
    runs.append(failed("liaf", "task 1", 0))
    study = study_of(runs)
    (few,) = [line.partition(")")[0] for line in texts(study).split("Text(") if "Too few runs" in line]
    assert "for gru against lif:" in few
    assert "liaf" not in few
    table = cells(study, "Which models are told apart")
    assert [row[0] for row in table[1:]] == ["gru against lif", "gru against liaf", "lif against liaf"]
    assert "liaf" not in [row[0] for row in cells(study, "What the models cost")]


def test_too_few_because_some_failed() -> None:
    runs = [
        finished(model, "task 1", seed, 0.5 + 0.01 * seed) for model in ("gru", "lif") for seed in range(6)
    ]
    runs[-1] = failed("lif", "task 1", 5)
    assert "Some runs failed; the same command tries them again" in texts(study_of(runs, command=COMMAND))


def test_nothing_of_a_table_is_bold_but_its_headers(whole: tuple[Page, str, list[Path]]) -> None:
    page, text, _ = whole
    assert all("**" not in line for line in text.splitlines() if line.startswith("|"))
    assert len(page.named("strong")) == 3 + 1 + 4  # the summary's models, what failed, the methods


def test_cells_of_the_accuracy_table() -> None:
    table = cells(made_up(), "Accuracy")
    assert table[0] == ("model", "task 1", "task 6", "task 12", "mean", "solved")
    assert re.fullmatch(r"\d\d\.\d ± \d\.\d\n\d\d\.\d to \d\d\.\d", table[1][1])
    assert table[-1] == ("most frequent answer", "20.0", "20.0", "20.0", "20.0", "")


def test_many_parts_are_lines_instead_of_columns() -> None:
    table = cells(made_up(TWENTY), "Accuracy")
    assert table[0] == ("model", "liaf", "lif", "gru", "most frequent answer")
    assert table[1][0] == "task 1: single supporting fact"
    assert [row[0].partition(":")[0] for row in table[1:]] == [*TWENTY, "mean", "solved"]


def test_rates_stand_among_the_costs() -> None:
    table = cells(made_up(), "What the models cost")
    assert table[0][-3:] == ("firing rate", "crossing rate", "training")
    assert [row[-3:-1] for row in table[1:]] == [("-", "0.2"), ("0.2", "-"), ("-", "-")]


@pytest.mark.parametrize(
    ("parts", "more"),
    [
        (["task 6"], {"costs": False, "seeds": 1}),
        (["nmnist"], {}),
        (["digits", "gestures"], {"one_failed": True}),
    ],
    ids=str,
)
def test_any_study_has_a_report(tmp_path: Path, parts: list[str], more: dict[str, Any]) -> None:
    page, text, _ = written(tmp_path, made_up(parts, **more))
    assert all(part in "".join(page.words) for part in parts)
    assert ("energy" in text) == more.get("costs", True)


def test_a_hostile_name_of_a_model_or_part(tmp_path: Path) -> None:
    runs = [finished(model, "$x^<title>", 0, 0.5) for model in ("liaf", '_$\\frac"<b>')]
    page, text, _ = written(tmp_path, study_of(runs))
    assert '_$\\frac"<b>' in "".join(page.words)
    assert not page.named("b")
    assert r"\_\$\\frac" in text


def test_nothing_finished(tmp_path: Path) -> None:
    runs = [failed(model, "task 1", 0, "no luck") for model in ("liaf", "lif", "gru")]
    page, text, files = written(tmp_path, study_of(runs))
    assert [path.suffix for path in files] == [".html", ".md"]
    assert "nothing to compare" in text
    assert "Too few runs" not in text
    assert "no finished run in common" in "".join(page.words)
    assert "no luck" in "".join(page.words)


def test_a_fairness_that_knows_no_size_says_nothing_of_it() -> None:
    fairness = Fairness(budget="All read the same.", size=None, search=("Nothing was searched.",))
    assert "What each model was allowed. All read the same. Nothing was searched." in texts(
        made_up(seeds=1, fairness=fairness)
    )


def test_a_damaged_curve_is_left_out_and_named(tmp_path: Path) -> None:
    study = made_up()
    folder = write_study(tmp_path, study)
    path = folder / study.runs[0].key / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n')
    curves, unread = curves_of(study, folder, ACCURACY)
    assert len(curves) == 3
    assert len(unread) == 1
    assert str(path) in unread[0]
    assert f"Left out, because it cannot be read: {path}:1:" in texts(study, folder)


def test_a_legend_holds_what_is_in_the_picture(tmp_path: Path) -> None:
    study = made_up(["task 1"], seeds=1, floor={"task 1": 0.01})
    write_log(tmp_path / study.of("gru")[0].key, [0.1, 0.2])
    blocks = [block for section in report(study, tmp_path).sections for block in section.blocks]
    scores, curves, *_ = [block for block in blocks if isinstance(block, Pictures)]
    assert list(curves.legend) == ["gru"]
    # One seed, and a floor that is below the scale.
    assert scores.caption == "Test accuracy by model."
    whole = made_up(["task 1"], floor={"task 1": 0.81})
    (caption,) = [
        block.caption
        for section in report(whole, tmp_path).sections
        for block in section.blocks
        if isinstance(block, Pictures) and block.name == "accuracy"
    ]
    assert "interval" in caption
    assert "ring" in caption
    assert "Dashed" in caption


def test_equal_results_make_equal_files(tmp_path: Path) -> None:
    study = made_up(["task 6"], seeds=1)
    folder = write_study(tmp_path, study)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (write_html(study, folder, tmp_path / name / "r.html") for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_pareto_front() -> None:
    assert pareto({"a": (1, 0.5), "b": (1, 0.5), "c": (2, 0.5), "d": (0.5, 0.1)}) == ["d", "a", "b"]
    assert pareto({"a": (1, 0.5)}) == ["a"]
    first, second = cost_panels(made_up(), ACCURACY)
    assert first.alt.endswith("On the Pareto front: liaf and gru.")
    assert second.alt.endswith("On the Pareto front: lif, liaf and gru.")
    alone = made_up(costs=False)
    assert not cost_panels(alone.model_copy(update={"summary": alone.summary[:1]}), ACCURACY)
    assert len(cost_panels(alone, ACCURACY)) == 1


def test_panels_are_small_svg_files() -> None:
    panels = score_panels(made_up(), ACCURACY)
    assert panels[0].alt.startswith("mean of 3 parts: test accuracy of liaf ")
    assert panels[2].alt.startswith("task 6: yes no questions: test accuracy of liaf 8")
    content = svg(panels[0])
    assert content == svg(panels[0])
    assert len(content) < 40_000
    assert b"<text" not in content


def _without(name: str) -> str:
    content = json.loads(made_up(["task 1"], seeds=1).model_dump_json())
    del content["runs"][0][name]
    return json.dumps(content)


DAMAGE = {
    "not json": "{",
    "a list": "[]",
    "no runs": '{"settings": {}}',
    "runs no list": '{"settings": {}, "runs": 3}',
    "a run without model": _without("model"),
    "a run without parts": _without("parts"),
}


@pytest.mark.parametrize("text", DAMAGE.values(), ids=DAMAGE)
def test_damaged_results_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(ValueError, match=r"results\.json"):
        read_study(tmp_path)


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not the folder of a finished study: no results\.json"):
        read_study(tmp_path)


class Wrong:
    """A trained network that gets some examples wrong."""

    def __init__(self, answers: list[tuple[str, str]]) -> None:
        self.answers = answers

    def mistakes(self, *, only: str) -> Iterator[Mistake]:
        assert only == "task 1"
        for index, (expected, given) in enumerate(self.answers):
            yield Mistake("task 1", index, f"story {index} <b>", expected, given)


def answers_of(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch, answers: list[tuple[str, str]]
) -> list[Captioned]:
    (folder / study.of("gru")[0].key / "config.json").write_text("{}")
    opened = []
    monkeypatch.setattr(trained, "load", lambda path: opened.append(path) or Wrong(answers))
    blocks = content.mistakes(study, folder)
    assert [path.name for path in opened] == ["gru-task-1-0"]  # the best model, its first seed
    return [block for block in blocks if isinstance(block, Captioned)]


def test_wrong_answers_of_a_few_classes_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = made_up(["task 1"])
    folder = write_study(tmp_path, study)
    wrong = [("hall", "garden")] * 3 + [("garden", "kitchen")]
    (block,) = answers_of(study, folder, monkeypatch, wrong)
    assert block.caption.startswith(
        "task 1: single supporting fact, gru, seed 0: 4 wrong of 1,000 questions."
    )
    assert block.table.header == ("right answer", "garden", "hall", "kitchen")
    assert block.table.rows == (
        ("garden", "", "0", "1"), ("hall", "3", "", "0"), ("kitchen", "0", "0", ""),
    )  # fmt: skip


def test_wrong_answers_of_many_classes_are_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = made_up(["task 1"])
    folder = write_study(tmp_path, study)
    wrong = [(f"right {at}", f"said {at}") for at in range(300)]
    (block,) = answers_of(study, folder, monkeypatch, wrong)
    assert "the first 200 wrong questions, 4 examples" in block.caption
    assert block.table.rows[1] == ("1", "story 1 <b>", "right 1", "said 1")


def test_wrong_answers_that_cannot_be_had_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = made_up(["task 1", "task 6"], seeds=1)
    folder = write_study(tmp_path, study)
    text = texts(study, folder)
    assert "Wrong answers that cannot be shown: FileNotFoundError: no " in text
    monkeypatch.delattr(Babi, "mistakes")
    assert "Wrong answers" not in texts(study, folder)


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
