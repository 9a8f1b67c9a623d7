from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
import torch

from liafseq import DALIF, LIAF, LIF, MLIF, DALIFCell, LIAFCell, LIFCell, MLIFCell

LAYERS = [LIAF, LIF, DALIF, MLIF]
CELLS = [LIAFCell, LIFCell, DALIFCell, MLIFCell]


@pytest.fixture(params=LAYERS, ids=lambda c: c.__name__)
def layer_type(request):
    return request.param


@pytest.fixture(params=CELLS, ids=lambda c: c.__name__)
def cell_type(request):
    return request.param


@pytest.fixture(params=["lstm", "gru"])
def state_format(request):
    return request.param


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep of a test marked ``covers(n)`` every combination of the values of any n of its parameters.

    The other cases are exhaustive. The parameters of fixtures count too.
    """
    marked = defaultdict(list)
    for item in items:
        if mark := item.get_closest_marker("covers"):
            marked[item.path, item.originalname, mark.args[0]].append(item)
    for (*_, together), cases in marked.items():
        for item in _not_needed(cases, together):
            item.add_marker(pytest.mark.exhaustive)


def _not_needed(items, together):
    """Those without which all combinations are still there: of the best the first stays, again and again."""
    missing = {}
    for item in items:
        values = [(name, repr(value)) for name, value in sorted(item.callspec.params.items())]
        missing[item] = set(itertools.combinations(values, together))
    while any(missing.values()):
        best = max(missing, key=lambda item: len(missing[item]))
        covered = missing.pop(best)
        for left in missing.values():
            left -= covered
    return list(missing)
