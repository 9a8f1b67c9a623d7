"""Which tensors are weights: what was computed from parameters or buffers and from nothing else.

A product's operand may be a parameter itself, a view of it, or computed from it (normalised, scaled,
cast), so the origin of every tensor is followed through the operations. It is kept for storages, not
for tensors, so that a view and what is written through it agree.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

__all__ = ["Origins", "storage_of", "tensors_in"]

Origin = frozenset[int] | None
"""The parameters that something was computed from; None if data had a part in it; empty: a constant."""


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples (PackedSequence too), lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from tensors_in(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from tensors_in(getattr(value, field.name))


def storage_of(tensor: Tensor) -> Any:
    """Its memory; None for a sparse one."""
    try:
        return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return None


class Origins:
    """The origins of the tensors of one run.

    Args:
        model: its parameters and buffers are where weights come from.
        batch: the tensors of the data.
    """

    def __init__(self, model: nn.Module, batch: Iterable[Tensor]) -> None:
        # A weak reference keeps the storage's address from being given to another one.
        self._known: dict[int, tuple[StorageWeakRef, Origin]] = {}
        for number, tensor in enumerate([*model.parameters(), *model.buffers()]):
            self.add(tensor, frozenset((number,)))
        for tensor in batch:
            self.add(tensor, None)

    def of(self, tensors: Iterable[Tensor]) -> Origin:
        """The origin of what is computed from these."""
        found: frozenset[int] = frozenset()
        for tensor in tensors:
            storage = storage_of(tensor)
            known = None if storage is None else self._known.get(storage._cdata)
            if known is None:
                continue
            if known[1] is None:
                return None
            found |= known[1]
        return found

    def add(self, tensor: Tensor, origin: Origin) -> None:
        """``origin`` has a part in this tensor, beside what it was before if it is not new."""
        storage = storage_of(tensor)
        if storage is None:
            return
        known = self._known.get(storage._cdata)
        if known is not None:
            there = known[1]
            origin = None if origin is None or there is None else origin | there
            if origin == there:
                return
        self._known[storage._cdata] = (StorageWeakRef(storage), origin)

    def is_weight(self, tensor: Tensor) -> bool:
        return bool(self.of([tensor]))
