"""Padded batches: one way to run a layer on sequences of different lengths, also in exported graphs."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from liafseq.ops.scan import exporting

__all__ = ["Padded", "exporting", "padded"]


class Padded(NamedTuple):
    """What a layer of this package takes in the place of packed data while a graph is exported."""

    data: Tensor
    lengths: Tensor


def padded(layer: nn.Module, input: Tensor, lengths: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
    """A recurrent layer over a padded batch: each sequence as if it were alone.

    Ordinary calls pack the sequences and pad what comes out, for any layer that takes packed input as nn.GRU
    does. ``torch.export`` and ``torch.onnx.export(..., dynamo=True)``, which cannot follow packed sequences,
    get a loop that reads the lengths, so that they stay an input of the graph.

    Args:
        layer: of this package, or nn.RNN, nn.GRU, nn.LSTM. Only the first can be exported so.
        input: (T, N, ...), or (N, T, ...) of a layer with ``batch_first``.
        lengths: (N) integers from 1 to T. An exported graph does not check them.
        hx: the first state, as the layer takes it.

    Returns:
        The outputs in the layout of ``input``, zeros behind the ends; and the state of each sequence at its
        own end. The reverse direction begins there.

    Raises:
        TypeError: a layer of other make while a graph is exported.
        RuntimeError: lengths that are no lengths of this input, as of ``pack_padded_sequence``.

    >>> import torch
    >>> from liafseq import LIAF
    >>> layer, x = LIAF(3, 4), torch.randn(5, 2, 3)
    >>> output, (h, c) = padded(layer, x, torch.tensor([5, 2]))
    >>> bool((output[2:, 1] == 0).all()), bool((output[1, 1] == h[0, 1]).all())
    (True, True)
    """
    if exporting():
        from liafseq._modules.conv import TemporalConv2d
        from liafseq._modules.layer import SpikingRNNBase

        if not isinstance(layer, (SpikingRNNBase, TemporalConv2d)):
            raise TypeError(
                "padded: of an exported graph the layer should be one of liafseq, which reads lengths, "
                f"got: {type(layer).__name__}"
            )
        output, state = layer(Padded(input, lengths), hx)
        return output, state
    first = bool(getattr(layer, "batch_first", False))
    steps = input.shape[1 if first else 0]
    batch = input.shape[0 if first else 1]
    if lengths.shape != (batch,):
        raise RuntimeError(f"padded: lengths should have shape ({batch},), got: {tuple(lengths.shape)}")
    lengths = lengths.cpu()
    if bool((lengths == steps).all()):
        output, state = layer(input, hx)
        return output, state
    packed = pack_padded_sequence(input, lengths, batch_first=first, enforce_sorted=False)
    output, state = layer(packed, hx)
    return pad_packed_sequence(output, batch_first=first, total_length=steps)[0], state
