"""Spiking recurrent layers with the interface of nn.GRU and nn.LSTM."""

from liafseq.cells import DALIFCell, LIAFCell, LIFCell, MLIFCell
from liafseq.convert import replace_rnn
from liafseq.rnn import DALIF, LIAF, LIF, MLIF

__all__ = [
    "DALIF",
    "LIAF",
    "LIF",
    "MLIF",
    "DALIFCell",
    "LIAFCell",
    "LIFCell",
    "MLIFCell",
    "replace_rnn",
]
__version__ = "0.1.0"
