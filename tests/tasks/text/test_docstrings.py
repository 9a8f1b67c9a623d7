"""The embedded sentences."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from liafseq.tasks.task import find
from liafseq.tasks.text import docstrings
from liafseq.tasks.text.config import TextConfig
from liafseq.tasks.text.docstrings import PACKAGES, sentences, versions


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small packages in the place of the real ones."""
    names = {"matplotlib": "first_of_two", "scipy": "second_of_two"}
    for module in names.values():
        (tmp_path / module / "tests").mkdir(parents=True)
        (tmp_path / module / "__init__.py").write_text("raise ImportError('must not be imported')")
    monkeypatch.setattr(docstrings, "PACKAGES", names)
    monkeypatch.syspath_prepend(str(tmp_path))
    sentences.cache_clear()
    versions.cache_clear()
    yield tmp_path
    sentences.cache_clear()
    versions.cache_clear()


def write(path: Path, *texts: str) -> None:
    functions = (f'def f():\n    r"""{text}"""\n' for text in texts)
    path.write_text('x = """\nThis is no docstring but some other text.\n"""\n' + "\n".join(functions))


def test_what_counts_as_a_sentence(packages: Path) -> None:
    write(
        packages / "first_of_two" / "a.py",
        "Return the sum of all the given elements.\n\n    It is computed from left to right\n"
        "    without any loss. Too short.\n\n    >>> f(1, 2, 3, 4, 5, 6)\n    7\n\n"
        "    Notes\n    -----\n    A heading is no part of the sentence below it.\n",
        "Return the result of scipy for this very case.",
        "Both of the packages have this very sentence.",
        "Return the first 3 (three) of all the given elements.",
        "Return the first 4 (three) of all the given elements.",
    )
    write(packages / "first_of_two" / "tests" / "b.py", "Sentences of tests are not among the others.")
    (packages / "first_of_two" / "c.py").write_text("this is no Python")
    write(
        packages / "second_of_two" / "a.py",
        "Both of the packages have this very sentence.",
        "Only the second package says what this is.",
    )
    assert sentences() == (
        ("Return the sum of all the given elements.", "matplotlib"),
        ("It is computed from left to right without any loss.", "matplotlib"),
        ("A heading is no part of the sentence below it.", "matplotlib"),
        ("Return the first 3 (three) of all the given elements.", "matplotlib"),
        ("Only the second package says what this is.", "scipy"),
    )


def test_what_is_built_for_a_device_is_the_same_release(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docstrings, "version", lambda _: "0+cpu")
    assert versions() == {"matplotlib": "0", "scipy": "0"}
    assert sentences() == ()
    write(packages / "first_of_two" / "a.py", *["Return the very same thing each time."] * 3)
    sentences.cache_clear()
    assert sentences() == (("Return the very same thing each time.", "matplotlib"),)


@pytest.mark.usefixtures("packages")
def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docstrings, "PACKAGES", {"no-such-package": "no_such_package"})
    with pytest.raises(FileNotFoundError, match="need the package no-such-package"):
        sentences()


def test_the_embedded_sentences() -> None:
    found = sentences()
    assert Counter(name for _, name in found) == dict.fromkeys(PACKAGES, docstrings.MOST)
    assert len({text for text, _ in found}) == len(found)
    for text, name in found:
        assert name not in text.lower()
        assert PACKAGES[name] not in text.lower()
    texts = find("text")
    config = TextConfig()
    assert texts.data(config).kept()["versions"] == versions()
    assert f"torch {versions()['torch']}" in texts.describe(config)
    assert list(texts.floor(config).values()) == [pytest.approx(1 / 6)]
    sentences.cache_clear()
    assert sentences() == found


def test_sentences_of_other_versions_are_not_taken_for_those_of_a_run() -> None:
    texts = find("text")
    config = TextConfig()
    kept = texts.data(config).kept()
    kept["versions"] = {**kept["versions"], "torch": "0.1"}
    data = texts.data(config, kept)
    data.batch(config, ["a text"])
    with pytest.raises(ValueError, match=r"the run's sentences are of torch 0\.1, and here is torch "):
        data.split(config, "test")
    assert "first_of_two" not in sys.modules
