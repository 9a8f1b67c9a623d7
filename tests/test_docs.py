"""What the documents say holds: links lead somewhere, examples run, commands are understood."""

from __future__ import annotations

import contextlib
import inspect
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import liafseq

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TAUGHT = [README, ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
MEASURED = sorted((ROOT / "docs" / "results").rglob("*.md"))

# Names that stand in the documents for a person's own data.
PLACEHOLDERS = (
    "ARCHIVE", "tasks_1-20_v1-2", "N-MNIST", "nmnist_small", "fold0", "commands",
    "MNIST", "ECG", "recordings.npz",
    "pictures", "images.npz", "mnist", "cifar-10-batches-bin", "cifar10_small",
    "book.txt", "tinyshakespeare.txt", "wikitext-2", "conll2000", "atis", "words.conll", "slots.jsonl",
    "trec", "snli", "streams", "reviews.csv", "aclImdb.tar.gz",
)  # fmt: skip


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\b.*?\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """The anchor of a heading, as the site makes it."""
    text = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading).strip().lower())
    return re.sub(r"[-\s]+", "-", text)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_and_images_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{ids(page)}: {target}"
        if anchor and "reference" not in there.parts:  # those are of docstrings; the site's build checks them
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{ids(page)}: {target}"


def test_every_image_is_used() -> None:
    text = "".join(page.read_text() for page in PAGES)
    unused = [path.name for path in (ROOT / "docs" / "images").iterdir() if f"images/{path.name}" not in text]
    assert not unused


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in navigation


@pytest.mark.parametrize("page", [page for page in TAUGHT if blocks(page, "python")], ids=ids)
def test_python_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page.stem == "nir":
        pytest.importorskip("nir", reason="nir is not installed: pip install 'liafseq[nir]'")
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)
    if page == README:
        assert type(names["model"]["encoder"]).__name__ == "LIAF"
        assert names["output"].shape == (50, 8, 128)
        assert names["maps"].shape == (6, 4, 16, 34, 34)
        assert "weights" in capsys.readouterr().out


def commands(path: Path) -> Iterator[str]:
    """The lines of a page that call ``liafseq``, without what else stands in them."""
    for block in blocks(path, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                found = re.search(r"(?:^|\s|/)(?:liafseq|liafseq\.cli\.main)\s+(?=[a-z-])(.*)", part)
                if found and "pip install" not in part:
                    yield found[1]


def test_the_site_shows_examples_as_code() -> None:
    pytest.importorskip("griffe", reason="needs the extra docs")
    hook = runpy.run_path(str(ROOT / "docs" / "hooks" / "docstrings.py"))
    text = inspect.cleandoc(liafseq.LIAF.__doc__ or "")
    shown = hook["readable"](text)
    assert "```pycon\n>>> layer = LIAF(10, 20, num_layers=2)\n" in shown
    assert shown.endswith("True\n```")
    assert "**Outputs:** ``output, (h_n, c_n)``\n\n- output: y of the last layer" in shown
    assert "- `weight_ih_l[k], weight_hh_l[k], bias_ih_l[k], bias_hh_l[k]`: as of nn.RNN" in shown
    assert "\nArgs:\n    input_size" in shown


def test_the_claims_are_drawn_from_the_tables(tmp_path: Path) -> None:
    plots = runpy.run_path(str(ROOT / "docs" / "results" / "plots.py"))
    plots["main"](tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    page = (ROOT / "docs" / "results" / "claims.md").read_text()
    assert drawn == set(re.findall(r"images/(claim-\S+?)\)", page))
    assert all((ROOT / "docs" / "images" / name).is_file() for name in drawn)


def test_the_readme_repeats_the_tables() -> None:
    table = runpy.run_path(str(ROOT / "docs" / "results" / "plots.py"))["table"]

    def row(page: str, heading: str, name: str) -> dict[str, str]:
        rows = table(page, heading)
        return next(row for row in rows if row[next(iter(row))] == name)

    ten = row("babi.md", "Seventeen tasks in ten epochs, the same search for every model", "mean")
    ten |= row("babi.md", "With a gate", "mean")
    thirty = row("babi.md", "Seventeen tasks in 30 epochs", "mean")
    ranks = row("panel.md", "Fifteen tasks", "mean rank")
    columns = {
        "LIAF": ("liaf", "LIAF, 2 seeds", "liaf"),
        "LIAF, gated": ("liaf:gated=true", "LIAF gated, 3 seeds", "gated"),
        "LIAF, four neurons per gate": ("liaf:gated=true:neurons_per_gate=4", "", "shared"),
        "LIF": ("lif", "", "lif"),
        "LIF, gated": ("lif:gated=true", "", "lif-gated"),
        "MLIF, gated": ("mlif:gated=true", "", "mlif-gated"),
        "GRU": ("gru", "GRU, 3 seeds", "gru"),
        "LSTM": ("lstm", "LSTM, 1 seed", "lstm"),
    }
    shown = {
        name: tuple(cell.strip(" *") for cell in cells.split("|"))
        for name, cells in re.findall(r"^\| ([^|]+?) \| \d+ k \|(.*)\|$", README.read_text(), re.M)
    }
    assert shown == {
        name: (ten[first], thirty.get(second, ""), ranks[third])
        for name, (first, second, third) in columns.items()
    }


COMMANDS = sorted({command for page in [*TAUGHT, *MEASURED] for command in commands(page)})


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are checked by ``--print-config``, options of the other commands by ``--help``."""
    from liafseq.cli.main import app

    monkeypatch.chdir(tmp_path)
    for name in PLACEHOLDERS:
        (tmp_path / name).mkdir()
    (tmp_path / "study.toml").write_text("seeds = 3\n")
    (tmp_path / "suite.toml").write_text("\n".join(blocks(ROOT / "docs" / "guide" / "study.md", "toml")))
    words = shlex.split(command, comments=True)
    words.append("--print-config" if words[0] in ("train", "compare") else "--help")
    with contextlib.suppress(SystemExit):
        app(words, prog_name="liafseq", standalone_mode=False)
    assert [path.name for path in tmp_path.iterdir() if path.name == "runs"] == []


@pytest.mark.parametrize(
    "suite", sorted((ROOT / "docs" / "results").glob("*.toml")), ids=lambda path: path.name
)
def test_suites_of_results_are_understood(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from liafseq.cli.main import app
    from liafseq.tasks.toml import read_toml

    monkeypatch.chdir(tmp_path)
    tasks = read_toml(suite, suite.name)["task"]
    for source in {task["source"] for task in tasks if "source" in task}:
        Path(source).mkdir(parents=True)
    app(["compare", "--config", str(suite), "--print-config"], prog_name="liafseq", standalone_mode=False)
    assert capsys.readouterr().out.count("[[task]]") == len(tasks)


def test_there_are_commands() -> None:
    named = {command.split()[0] for command in COMMANDS}
    assert {"train", "evaluate", "predict", "compare", "report", "show", "list", "models", "tasks"} <= named
