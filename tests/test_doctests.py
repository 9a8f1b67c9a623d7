"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import liafseq

MODULES = ["liafseq", *(m.name for m in pkgutil.walk_packages(liafseq.__path__, "liafseq."))]
OTHERS = [
    m.name
    for package in ("tasks", "cli")
    for m in pkgutil.walk_packages(
        importlib.import_module(f"liafseq.{package}").__path__, f"liafseq.{package}."
    )
]


@pytest.mark.parametrize("name", sorted({*MODULES, *OTHERS}))
def test_examples(name):
    if name == "liafseq.nir" or name.startswith("liafseq._nir"):
        pytest.importorskip("nir", reason="nir is not installed: pip install 'liafseq[nir]'")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
