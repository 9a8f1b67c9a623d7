"""Real English that is on every machine: sentences of the docstrings of packages that are installed anyway.

The packages' source is read, not imported.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["MOST", "PACKAGES", "check", "sentences", "versions"]

PACKAGES = {
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "torch": "torch",
}
"""Of each class the package that is read."""

MOST = 600
"""Sentences of each package."""

_OF_A_FILE = 8
"""Sentences of one file at most, so that many subjects are among them."""

# parts that other people have written, and tests
_FOREIGN = re.compile(r"test.*|_?vendor.*|_?externals?|array_api_.*|_generated|_?typing")
_NAMES = re.compile(
    r"matplotlib|pyplot|numpy|pandas|dataframes?|scikit|sklearn|scipy|(py)?torch|\b(aten|mpl|plt|np|pd|sp)\b",
    re.IGNORECASE,
)
_STRING = re.compile(r'^([^\n]*?)"""(.*?)"""', re.DOTALL | re.MULTILINE)
# an empty line, or a heading with a line below it
_BLOCKS = re.compile(r"\n\s*\n|^[^\n]*\n[ \t]*[-=~^]{3,}[^\n]*", re.MULTILINE)
_ENDS = re.compile(r"(?<=[a-z)][.])\s+(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z][a-z]*(?:['-][a-z]+)*[,;:.]?|\([a-z -]+\)[,.]?")


@cache
def versions() -> dict[str, str]:
    """The versions of the packages; what is built for a device is the same release.

    Raises:
        FileNotFoundError: one is not installed.
    """
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name).partition("+")[0]
        except PackageNotFoundError:
            raise FileNotFoundError(f"the sentences of docstrings need the package {name}") from None
    return found


def check(kept: Mapping[str, str]) -> None:
    """ValueError where the sentences of a run are of other versions than these here."""
    here = versions()
    if kept != here:
        theirs = ", ".join(f"{name} {number}" for name, number in kept.items() if here.get(name) != number)
        ours = ", ".join(f"{name} {number}" for name, number in here.items() if kept.get(name) != number)
        raise ValueError(f"the run's sentences are of {theirs}, and here is {ours}")


@cache
def sentences() -> tuple[tuple[str, str], ...]:
    """Sentences and the package of each, ``MOST`` of each package, without one that names a package.

    Equal versions give equal sentences in equal order. No sentence is there twice, nor is one that
    differs only in numbers, and none that several packages have.
    """
    found = {name: list(_of_package(name)) for name in PACKAGES}
    owners = Counter(key for own in found.values() for key in {_key(text) for text in own})
    return tuple(
        (text, name)
        for name, own in found.items()
        for text in [text for text in own if owners[_key(text)] == 1][:MOST]
    )


def _key(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", text.lower()))


def _of_package(name: str) -> Iterator[str]:
    """Some more than ``MOST``, of files in an order that is random and always the same."""
    versions()
    spec = find_spec(PACKAGES[name])
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the sentences of docstrings need the source of the package {name}")
    root = Path(next(iter(spec.submodule_search_locations)))
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    random.Random(0).shuffle(files)
    seen: set[str] = set()
    for file in files:
        if any(_FOREIGN.fullmatch(part) for part in file.split("/")):
            continue
        own = 0
        for text in _of_file(root / file):
            if own < _OF_A_FILE and (key := _key(text)) not in seen:
                seen.add(key)
                own += 1
                yield text
        if len(seen) >= 1.1 * MOST:
            return


def _of_file(path: Path) -> Iterator[str]:
    # Not by Python's parser, which takes ten times as long, and refuses what is for another Python.
    for before, text in _STRING.findall(path.read_text(encoding="utf-8", errors="replace")):
        if before.strip().lower() in ("", "r"):
            yield from _of_docstring(text)


def _of_docstring(text: str) -> Iterator[str]:
    """The sentences of the paragraphs that are prose.

    >>> list(_of_docstring("Return the sum of all the given elements.\\n\\n>>> total([1, 2])\\n3"))
    ['Return the sum of all the given elements.']
    """
    for block in _BLOCKS.split(text):
        for sentence in _ENDS.split(" ".join(block.split())):
            words = sentence.split()
            if (
                6 <= len(words) <= 40
                and sentence[0].isupper()
                and sentence[-1] == "."
                and sum(bool(_WORD.fullmatch(word)) for word in words) >= 0.9 * len(words)
                and not _NAMES.search(sentence)
            ):
                yield sentence
