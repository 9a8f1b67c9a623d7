"""A dispatch mode that sees every operation torch runs and counts the products among them."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import flop_registry

from liafseq import surrogate
from liafseq._cost import products
from liafseq._cost.concatenation import Joined
from liafseq._cost.products import Counts
from liafseq._cost.weight_origins import Origins, tensors_in

__all__ = ["CountingMode"]

aten = torch.ops.aten

# operation -> where its two factors are
_MATRIX = {
    aten.mm: (0, 1),
    aten.bmm: (0, 1),
    aten.mv: (0, 1),
    aten.dot: (0, 1),
    aten.vdot: (0, 1),
    aten._int_mm: (0, 1),
    aten.addmm: (1, 2),
    aten._addmm_activation: (1, 2),
    aten.addmv: (1, 2),
    aten.baddbmm: (1, 2),
    aten.addbmm: (1, 2),
}
# fused attention that a model insists on; elsewhere its products are seen one by one
_ATTENTION = {
    getattr(aten, name)
    for name in (
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    )
    if hasattr(aten, name)
}
# what copies rows, or all of its first argument
_ROWS = {aten.clone, aten._to_copy, aten.index_select, aten.index, aten._pack_padded_sequence}
_LOOK_UP = {aten.embedding, aten.embedding_bag, aten._embedding_bag, aten._embedding_bag_forward_only}
# what computes products in a way that is not looked into
_OPAQUE = {
    "mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn", "_lstm_mps", "_trilinear", "_cdist_forward",
    "_euclidean_dist", "_native_multi_head_attention", "_transformer_encoder_layer_fwd", "_sparse_addmm",
    "_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "mkldnn_linear",
    "_grouped_mm", "_scaled_grouped_mm",
}  # fmt: skip
_TORCH_OWN = ("aten", "prim", "prims", "profiler", "c10d", "_c10d_functional")


def _is_opaque(func: Any) -> bool:
    namespace, name = func.namespace, func._overloadpacket.__name__
    if namespace not in _TORCH_OWN:
        return True
    return namespace == "aten" and (name in _OPAQUE or func._overloadpacket in flop_registry)


def _is_composite(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")


class CountingMode(TorchDispatchMode):
    """Counts products while it is active.

    Args:
        origins: tells weights from activations.
        max_spike: see ``products.is_spikes``.
        record: is told the counts of each product.
        record_spikes: is told, for each update of a liafseq layer, of how many neurons and how many
            thresholds were crossed; None if there is none to cross (a synapse's sum over time).

    Attributes:
        weights: of each matrix and filter that a product read: where it came from -> its size.
        uncounted: operations that may have computed products, but are not known here.
    """

    def __init__(
        self,
        origins: Origins,
        max_spike: int,
        record: Callable[[Counts], None],
        record_spikes: Callable[[int, int | None], None],
    ) -> None:
        super().__init__()
        self.origins = origins
        self.max_spike = max_spike
        self.record = record
        self.record_spikes = record_spikes
        self.weights: dict[Any, int] = {}
        self.uncounted: set[str] = set()
        self._joined = Joined()

    def liafseq_spike(self, x: Tensor, surrogate_name: str, width: float) -> Tensor:
        """The step function that ``liafseq.ops`` uses while this mode is active; x is u - k theta."""
        s = surrogate.spike(x, surrogate_name, width)
        with _disable_current_modes():
            endless = bool((x <= -torch.finfo(x.dtype).max / 2).all())
            self.record_spikes(s.numel(), None if endless else int(torch.count_nonzero(s)))
        return s

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if _is_composite(func):
            # only in inference mode do these come here whole
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        origin = self.origins.of(tensors_in((args, kwargs)))
        if packet in _MATRIX:
            a, b = (args[i] for i in _MATRIX[packet])
            self._matrix(a, b)
            origin = self._of_product(origin, a, b)
        elif packet is aten.convolution:
            self._convolution(args, out)
            origin = self._of_product(origin, *args[:2])
        elif packet in _ATTENTION:
            self._attention(*args[:3])
            origin = None
        elif packet is aten.cat:
            dim = args[1] if len(args) > 1 else 0
            # old tensors of shape (0,) are let through by cat
            self._joined.add(out, dim, [t.size(dim) for t in args[0] if t.dim() == out.dim()])
        elif packet in _ROWS:
            self._joined.follow(next(tensors_in(out)), args[0])
        elif packet in _LOOK_UP:
            # what is looked up is an activation, whatever the indices come from
            origin = None
        elif _is_opaque(func):
            self.uncounted.add(f"{func.namespace}::{packet.__name__}")
        for tensor in tensors_in(out):
            self.origins.add(tensor, origin)
        return out

    def _of_product(self, origin: Any, a: Tensor, b: Tensor) -> Any:
        """Two weights make a weight; a constant (a first state) and a weight make an activation."""
        return origin if self.origins.is_weight(a) and self.origins.is_weight(b) else None

    def _matrix(self, a: Tensor, b: Tensor) -> None:
        fixed_a, fixed_b = self.origins.is_weight(a), self.origins.is_weight(b)
        if fixed_a != fixed_b:
            self._note_weight(a if fixed_a else b)
        a, b = (t if t.layout == torch.strided else t.to_dense() for t in (a, b))
        a = a.unsqueeze(0) if a.dim() == 1 else a
        b = b.unsqueeze(-1) if b.dim() == 1 else b
        seams = self._joined.seams(b, -2) if fixed_a else self._joined.seams(a, -1)
        for low, high in pairwise(seams):
            left, right = a[..., low:high], b[..., low:high, :]
            self.record(
                products.matmul(left, right, fixed_a=fixed_a, fixed_b=fixed_b, max_spike=self.max_spike)
            )

    def _convolution(self, args: Any, out: Tensor) -> None:
        x, weight, _, stride, padding, dilation, transposed, _, groups = args
        fixed = self.origins.is_weight(x)
        if self.origins.is_weight(weight):
            self._note_weight(weight)
        for low, high in pairwise(self._joined.seams(x, 1)):
            self.record(
                products.convolution(
                    x[:, low:high], weight, out.shape[2:], stride=stride, padding=padding, dilation=dilation,
                    transposed=transposed, groups=groups, fixed_input=fixed, max_spike=self.max_spike,
                )
            )  # fmt: skip

    def _attention(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        pairs = math.prod(query.shape[:-1]) * key.shape[-2]
        dense = pairs * (query.shape[-1] + value.shape[-1])
        self.record(Counts(macs=dense, dense_macs=dense))

    def _note_weight(self, weight: Tensor) -> None:
        size = weight.numel()
        if weight.layout == torch.strided:
            # an expanded one is there once
            size = math.prod(n for n, step in zip(weight.shape, weight.stride(), strict=True) if step)
        # computed anew at every step, it is still the same one
        self.weights[self.origins.of([weight]), weight.storage_offset(), size] = size
