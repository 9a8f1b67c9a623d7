from __future__ import annotations

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
