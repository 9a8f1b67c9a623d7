"""Sources: whatever questions come from, the same table; whatever is broken, a clear error."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from liafseq.tasks.babi.stories import sources
from liafseq.tasks.babi.stories.format import BabiFormatError
from liafseq.tasks.babi.stories.sources import load

from ..made_archives import tar_of, zip_of

QA1 = "qa1_single-supporting-fact"
TRAIN = """1 Mary moved to the bathroom.
2 John went to the hallway.
3 Where is Mary? \tbathroom\t1
4 Daniel went back to the hallway.
5 Where is Daniel? \thallway\t4
1 John moved to the office.
2 Where is John? \toffice\t1
"""
TEST = "1 Sandra moved to the garden.\n2 Where is Sandra? \tgarden\t1\n"
ROWS = [
    {
        "story": ["Mary moved to the bathroom.", "John went to the hallway."],
        "question": "Where is Mary?",
        "answer": "bathroom",
        "support": [0],
        "task": 1,
    },
    {
        "story": [
            "Mary moved to the bathroom.",
            "John went to the hallway.",
            "Daniel went back to the hallway.",
        ],
        "question": "Where is Daniel?",
        "answer": "hallway",
        "support": [2],
        "task": 1,
    },
    {
        "story": ["John moved to the office."],
        "question": "Where is John?",
        "answer": "office",
        "support": [0],
        "task": 1,
    },
]
FILES = {
    f"tasks_1-20_v1-2/en-10k/{QA1}_train.txt": TRAIN,
    f"tasks_1-20_v1-2/en-10k/{QA1}_test.txt": TEST,
    f"tasks_1-20_v1-2/en/{QA1}_train.txt": TEST,
    "tasks_1-20_v1-2/en-valid/qa1_train.txt": TEST,
    "tasks_1-20_v1-2/en-valid/qa1_valid.txt": TRAIN,
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "up" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")
    return tmp_path / "up"


def test_columns_are_explicit(folder):
    table = load(1, "train", folder)
    assert table.features == sources.features()
    assert table.column_names == ["story", "question", "answer", "support", "task"]
    assert table.features["story"].feature.dtype == table.features["answer"].dtype == "string"
    assert table.features["support"].feature.dtype == table.features["task"].dtype == "int32"
    assert table.cache_files == []


@pytest.mark.parametrize("below", ["", "tasks_1-20_v1-2", "tasks_1-20_v1-2/en-10k"])
def test_a_folder_at_any_level(folder, below):
    assert load(1, "train", folder / below).to_list() == ROWS
    assert load(1, "train", str(folder / below), questions=2).to_list() == ROWS[:2]
    assert load(1, "test", folder / below)["answer"][:] == ["garden"]


def test_variants(folder):
    assert len(load(1, "train", folder, variant="en")) == 1
    assert load(1, "valid", folder, variant="en-valid").to_list() == ROWS
    assert len(load(1, "train", folder / "tasks_1-20_v1-2/en-valid")) == 1


@pytest.mark.parametrize("end", [".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar", ".zip", ".TAR.GZ"])
@pytest.mark.parametrize("strip", [0, 1])
def test_archives(tmp_path, end, strip):
    members = [("./LICENSE.txt", "CC BY")] + [
        ("/".join(name.split("/")[strip:]), text) for name, text in FILES.items()
    ]
    path = tmp_path / f"babi{end}"
    if end == ".zip":
        zip_of(path, members)
    else:
        kind = {".tar": "w", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}.get(end, "w:gz")
        tar_of(path, members, kind)
    assert load(1, "train", path).to_list() == ROWS
    assert load(1, "valid", path, variant="en-valid").to_list() == ROWS
    assert len(load(1, "train", path, variant="en")) == 1
    with pytest.raises(FileNotFoundError, match=r"'hn'; variants found here: en, en-10k, en-valid$"):
        load(1, "train", path, variant="hn")
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208  nothing leaves the cache folder


def test_an_archive_of_bare_files(tmp_path):
    path = zip_of(tmp_path / "a.zip", [(f"{QA1}_train.txt", TRAIN)])
    assert load(1, "train", path).to_list() == ROWS


def test_a_missing_valid_split_says_where_there_is_one(folder):
    with pytest.raises(FileNotFoundError, match=r"only en-valid and en-valid-10k have a valid split"):
        load(1, "valid", folder)


def test_missing_files_are_named(folder, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"qa2_two-supporting-facts_train\.txt.*found here: en, en-10k"
    ):
        load(2, "train", folder)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        load(1, "train", tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"notes\.txt: expected a folder, \.zip or"):
        load(1, "train", tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"task": 0}, ValueError, "task must be at least 1"),
        ({"task": 21}, ValueError, "task must be 1 to 20, got 21"),
        ({"task": "1"}, TypeError, "task must be an int"),
        ({"task": True}, TypeError, "task must be an int"),
        ({"split": "validation"}, ValueError, "split must be one of train, test, valid"),
        ({"variant": "de"}, ValueError, "variant must be one of en,"),
        ({"questions": 0}, ValueError, "questions must be at least 1"),
        ({"questions": 1.5}, TypeError, "questions must be an int"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"options": object()}, ValueError, "generated stories only"),
    ],
)
def test_bad_arguments(folder, arguments, error, why):
    with pytest.raises(error, match=why):
        load(**{"task": 1, "split": "train", "source": folder, **arguments})


@pytest.mark.parametrize(
    ("content", "at"),
    [
        (b"1 Mary moved.\n2 Where is Mary?\n4 x\n", 3),
        (b"1 Mary moved.\n2 M\xe4ry moved.\n", 2),
        (b"1 Mary moved.\n2 Where?\tkitchen\t7\n", 2),
    ],
)
def test_malformed_files_are_named_with_their_line(tmp_path, content, at):
    (tmp_path / f"{QA1}_train.txt").write_bytes(content)
    with pytest.raises(BabiFormatError, match=rf"{QA1}_train\.txt:{at}: "):
        load(1, "train", tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(f"en-10k/{QA1}_train.txt", content)
    with pytest.raises(BabiFormatError, match=rf"a\.zip/en-10k/{QA1}_train\.txt:{at}: "):
        load(1, "train", tmp_path / "a.zip")


def test_a_file_without_questions_is_refused(tmp_path):
    (tmp_path / f"{QA1}_train.txt").write_text("1 Mary moved.\n")
    with pytest.raises(BabiFormatError, match="no question"):
        load(1, "train", tmp_path)


def test_a_byte_order_mark_and_carriage_returns_are_read(tmp_path):
    (tmp_path / f"{QA1}_train.txt").write_bytes(b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode())
    assert load(1, "train", tmp_path).to_list() == ROWS


def hub_rows(form):
    def item(number, text, answer="", support=()):
        return {
            "id": str(number),
            "type": int(bool(answer)),
            "text": text,
            "supporting_ids": list(support),
            "answer": answer,
        }

    stories = [
        [
            item(1, "Mary moved to the bathroom."),
            item(2, "John went to the hallway."),
            item(3, "Where is Mary?", "bathroom", ["1"]),
            item(4, "Daniel went back to the hallway."),
            item(5, "Where is Daniel?", "hallway", ["4"]),
        ],
        [item(1, "John moved to the office."), item(2, "Where is John?", "office", ["1"])],
    ]
    if form == "list of structs":
        return [{"story": story} for story in stories]
    return [{"story": {key: [part[key] for part in story] for key in story[0]}} for story in stories]


class TestHub:
    @pytest.mark.parametrize("form", ["list of structs", "struct of lists"])
    def test_rows_become_the_same_table(self, monkeypatch, form):
        import datasets

        asked = []

        def fake(path, *, name, revision):
            asked.append((path, name, revision, datasets.is_progress_bar_enabled()))
            part = datasets.Dataset.from_list(hub_rows(form))
            return datasets.DatasetDict({"train": part, "validation": part.select([1])})

        monkeypatch.setattr(datasets, "load_dataset", fake)
        shown = datasets.is_progress_bar_enabled()
        table = load(1, "train", "hub")
        assert table.to_list() == ROWS
        assert table.features == sources.features()
        assert asked == [("facebook/babi_qa", "en-10k-qa1", "refs/convert/parquet", False)]
        assert datasets.is_progress_bar_enabled() == shown
        assert load(1, "train", "hub", questions=1, variant="shuffled").to_list() == ROWS[:1]
        assert asked[-1][1] == "shuffled-qa1"
        assert load(1, "valid", "hub", variant="en-valid-10k").to_list() == ROWS[2:]
        with pytest.raises(FileNotFoundError, match="facebook/babi_qa"):
            load(1, "test", "hub")

    def test_malformed_rows_are_named(self, monkeypatch):
        import datasets

        rows = hub_rows("list of structs")
        rows[1]["story"][1]["supporting_ids"] = ["5"]
        monkeypatch.setattr(
            datasets,
            "load_dataset",
            lambda *_, **__: datasets.DatasetDict({"train": datasets.Dataset.from_list(rows)}),
        )
        with pytest.raises(BabiFormatError, match=r"babi_qa/en-10k-qa1/train/story 2:2: supporting fact '5'"):
            load(1, "train", "hub")

    def test_no_network(self, monkeypatch):
        import datasets

        def fail(*_, **__):
            raise ConnectionError("Couldn't reach the hub")

        monkeypatch.setattr(datasets, "load_dataset", fail)
        with pytest.raises(FileNotFoundError, match=r"en-10k-qa1.*Couldn't reach.*'generated' or the path"):
            load(1, "train", "hub")


class TestGenerated:
    def test_counts_and_columns(self):
        table = load(2, "train", questions=57, seed=3)
        assert len(table) == 57
        assert set(table["task"]) == {2}
        assert table.features == sources.features()

    def test_default_counts(self):
        assert len(load(4, "train")) == 10_000
        assert len(load(4, "test")) == len(load(4, "valid")) == 1_000

    def test_same_seed_same_questions(self):
        assert (
            load(5, "train", questions=30, seed=1).to_list()
            == load(5, "train", questions=30, seed=1).to_list()
        )

    @pytest.mark.parametrize("task", [3, 8, 19])
    def test_written_files_hold_the_same(self, tmp_path, task):
        from liafseq.tasks.babi.generator import write_task

        counts = {"train": 40, "test": 20, "valid": 10}
        write_task(tmp_path, task, **counts, seed=5)
        for split, count in counts.items():
            rows = load(task, split, questions=count, seed=5).to_list()
            assert len(rows) == count
            assert load(task, split, tmp_path).to_list() == rows

    def test_splits_and_seeds_differ(self):
        tables = [
            str(load(1, split, questions=20, seed=seed).to_list())
            for split in ("train", "test", "valid")
            for seed in range(4)
        ]
        assert len(set(tables)) == len(tables)


def test_long_stories_are_fast(tmp_path):
    """10,000 questions after up to 126 sentences each: seconds, not minutes."""
    story = [f"{n} Bill gave the football to Fred number {n}." for n in range(1, 127)]
    lines = "\n".join([*story, *(f"{n} Who gave it?\tBill\t126" for n in range(127, 227))]) + "\n"
    (tmp_path / "qa5_three-arg-relations_train.txt").write_text(lines * 100)
    start = time.perf_counter()
    table = load(5, "train", tmp_path)
    assert time.perf_counter() - start < 15
    assert len(table) == 10_000
    assert len(table[-1]["story"]) == 126
    assert table[9_999]["support"] == [125]


def test_nothing_is_written_and_nothing_printed(folder, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    env.update(HOME=str(home), OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    read = f"load(1, 'train', {str(folder)!r})"
    code = f"from liafseq.tasks.babi.stories.sources import load; assert len({read}) == 3"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []


def test_published_files():
    folder = os.environ.get("LIAFSEQ_REFERENCE_DATA")
    path = Path(folder or ".") / "babi_v1-2.tar.xz"
    if folder is None or not path.is_file():
        pytest.skip("LIAFSEQ_REFERENCE_DATA does not name a folder with babi_v1-2.tar.xz")
    assert load(1, "train", path, questions=1).to_list() == [
        {
            "story": ["Mary moved to the bathroom.", "John went to the hallway."],
            "question": "Where is Mary?",
            "answer": "bathroom",
            "support": [0],
            "task": 1,
        }
    ]
    assert [len(load(task, "test", path)) for task in (5, 8)] == [1000, 1000]
    assert load(19, "train", path, questions=1)[0]["answer"] == "s,e"
    assert load(1, "train", path, variant="hn", questions=2)[1]["answer"] == "rasoi ghar"
    assert len(load(2, "valid", path, variant="en-valid")) > 0
