"""Which parts a tensor was concatenated from, so that each is looked at by itself.

Spikes beside analog numbers in one operand stay spikes, then. As in ``weight_origins`` this is kept for
storages, and what is kept is only where the seams are: the values are read where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from liafseq._cost.weight_origins import storage_of

__all__ = ["Joined"]


class Joined:
    """The seams of concatenated tensors."""

    def __init__(self) -> None:
        # storage -> its reference, the step in memory along the joined dimension, the seams from 0 to n
        self._known: dict[int, tuple[StorageWeakRef, int, tuple[int, ...]]] = {}

    def add(self, out: Tensor, dim: int, sizes: Sequence[int]) -> None:
        """``out`` is the concatenation of tensors of these sizes along ``dim``."""
        storage = storage_of(out)
        if storage is not None and len(sizes) > 1 and out.numel():
            seams = tuple(accumulate(sizes, initial=0))
            self._known[storage._cdata] = (StorageWeakRef(storage), out.stride(dim), seams)

    def follow(self, out: Tensor, source: Tensor) -> None:
        """``out`` has rows of ``source``, or all of it, in other memory."""
        for back in range(1, min(out.dim(), source.dim()) + 1):
            seams = self.seams(source, -back)
            if len(seams) > 2 and out.size(-back) == seams[-1]:
                self.add(out, -back, [b - a for a, b in pairwise(seams)])

    def seams(self, tensor: Tensor, dim: int) -> tuple[int, ...]:
        """Where the parts of a tensor begin along ``dim``, and the end; (0, n) if it has one part."""
        n = tensor.size(dim)
        storage = storage_of(tensor)
        known = None if storage is None else self._known.get(storage._cdata)
        if known is None or known[2][-1] != n or tensor.stride(dim) != known[1]:
            return (0, n)
        step, seams = known[1:]
        # a view has the same seams if no step along its other dimensions leads into another part
        others = [
            (size, stride)
            for at, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True))
            if at != dim % tensor.dim()
        ]
        aligned = all(stride % (n * step) == 0 or (size - 1) * stride < step for size, stride in others)
        return seams if aligned and tensor.storage_offset() // step % n == 0 else (0, n)
