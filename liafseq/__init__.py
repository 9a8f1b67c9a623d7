"""Spiking recurrent layers with the interface of nn.GRU and nn.LSTM."""

from liafseq.rnn import DALIF, LIAF, LIF, MLIF

__all__ = ["DALIF", "LIAF", "LIF", "MLIF"]
