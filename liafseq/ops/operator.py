"""The time loop as torch operators, so that ``torch.compile`` sees one operator, not a loop.

``liafseq::recurrence`` runs one layer and direction, ``liafseq::recurrence_backward`` is its backward pass.
Both run the passes of the device's backend. The neuron travels as its fields.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from liafseq.neurons import Neuron
from liafseq.ops import cpu, eager, triton
from liafseq.ops.gradients import Arriving, Flow, Passes, all_gradients
from liafseq.ops.reference import started, whole
from liafseq.ops.types import (
    Backend,
    Call,
    Gradients,
    Numbers,
    Result,
    State,
    Steps,
    Weights,
    any_requires_grad,
)

__all__ = ["BACKEND"]

_FIELDS = [field.name for field in dataclasses.fields(Neuron)]
_NEURON = (
    "bool analog, str activation, bool threshold_related, str? feedback, str reset, float v_reset, "
    "int levels, str surrogate, float surrogate_width, bool detach_reset, str? gate, bool normalize"
)
_TENSORS = (
    "Tensor input, Tensor? weight_ih, Tensor? weight_hh, Tensor? bias, Tensor? decay, Tensor threshold, "
    "Tensor? leak, Tensor v0, Tensor? y0"
)
_STEPS = "SymInt[] sizes, bool reverse"
_COUNT = 9


def _cpu_passes(_: Call) -> Passes:
    from liafseq.ops.cpu.run import PASSES

    return PASSES


def _cpu_widths(call: Call) -> tuple[Any, Any]:
    from liafseq.ops.cpu.plan import columns_of, width_of

    if call.weights.ih is None and call.weights.hh is None:
        return _widths(call)
    return columns_of(call), width_of(call.membrane.shape[1], call.membrane.dtype)


def _widths(call: Call) -> tuple[Any, Any]:
    hidden = call.membrane.shape[1]
    return call.neuron.blocks * hidden, hidden


def _eager_backward(*arguments: Any) -> Flow | Gradients:
    """Torch's own derivatives of the neuron: an operator runs where autograd is switched off."""
    here = torch._C._dispatch_tls_local_exclude_set()
    for key in ("AutogradCPU", "AutogradCUDA", "ADInplaceOrView"):
        here = here.remove(getattr(torch._C.DispatchKey, key))
    with torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), here):
        return eager.PASSES.backward(*arguments)


def _cuda_passes(call: Call) -> Passes:
    if not triton.supports(call):
        return eager.PASSES._replace(backward=_eager_backward)
    from liafseq.ops.triton.run import PASSES

    return PASSES


class _Device(NamedTuple):
    """What a device's kernels are.

    Attributes:
        supports: whether they serve a call, as far as a compiler that traces can tell.
        passes: of a call of true tensors.
        widths: how many numbers of a row are kept: of the current, and of the neurons.
        shares: as of ``Backend``.
    """

    supports: Callable[[Call], bool]
    passes: Callable[[Call], Passes]
    widths: Callable[[Call], tuple[Any, Any]]
    shares: bool


_DEVICES = {
    "cpu": _Device(cpu.supports, _cpu_passes, _cpu_widths, True),
    "cuda": _Device(triton.serves, _cuda_passes, _widths, False),
}


def _device(call: Call) -> _Device:
    return _DEVICES[call.membrane.device.type]


def _call(tensors: Sequence[Any], rest: Sequence[Any]) -> Call:
    *fields, sizes, reverse = rest
    # no sizes stand for equal steps
    steps = Steps(tuple(sizes) or None, reverse)
    state = State(*tensors[7:9])
    return Call(tensors[0], Weights(*tensors[1:4]), Numbers(*tensors[4:7]), state, Neuron(*fields), steps)


def _kept_sizes(call: Call, keep: bool) -> tuple[Any, Any]:
    """Numbers of the two tensors that are kept: with a gate the current, and the potentials."""
    sizes = call.steps.sizes
    rows = sum(sizes) if sizes else call.input.shape[0] * call.membrane.shape[0]
    columns, width = _device(call).widths(call)
    gated = call.neuron.gate is not None
    return (rows * columns if keep and gated else 0), (rows * width if keep else 0)


@torch.library.custom_op(
    "liafseq::recurrence",
    mutates_args=(),
    device_types=tuple(_DEVICES),
    schema=f"({_TENSORS}, {_NEURON}, {_STEPS}, bool keep) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def _recurrence(*arguments):  # type: ignore[no-untyped-def]
    *rest, keep = arguments[_COUNT:]
    call = _call(arguments[:_COUNT], rest)
    found = _device(call).passes(call).forward(call, keep)
    potentials = found.kept[-1].reshape(-1) if keep else found.output.new_empty(0)
    current = found.output.new_empty(0)
    if keep and len(found.kept) == 2:
        current = found.kept[0].reshape(-1)
        # a result is no argument
        current = current.clone() if current.data_ptr() == call.input.data_ptr() else current
    return *found[:3], current, potentials


@_recurrence.register_fake
def _(*arguments):  # type: ignore[no-untyped-def]
    *rest, keep = arguments[_COUNT:]
    call = _call(arguments[:_COUNT], rest)
    v0 = call.membrane
    output = v0.new_empty((*call.input.shape[:-1], v0.shape[1]))
    sizes = _kept_sizes(call, keep)
    return output, v0.new_empty(v0.shape), v0.new_empty(v0.shape), *(v0.new_empty((n,)) for n in sizes)


@torch.library.custom_op(
    "liafseq::recurrence_backward",
    mutates_args=(),
    device_types=tuple(_DEVICES),
    schema=(
        f"(Tensor? to_output, Tensor? to_y, Tensor? to_u, Tensor current, Tensor potentials, {_TENSORS}, "
        f"{_NEURON}, {_STEPS}, bool[] needs) -> ({', '.join(['Tensor'] * _COUNT)})"
    ),
)
def _recurrence_backward(*arguments):  # type: ignore[no-untyped-def]
    arriving, kept, (*rest, needed) = Arriving(*arguments[:3]), arguments[3:5], arguments[5 + _COUNT :]
    call, needs = _call(arguments[5 : 5 + _COUNT], rest), Gradients._make((*needed, False))
    found = _device(call).passes(call).backward(call, kept if call.neuron.gate else kept[1:], arriving, needs)
    if isinstance(found, Flow):
        found = all_gradients(call, found, needs)
    like = call.membrane
    given: Any = call.tensors
    return tuple(
        (torch.zeros_like(t) if need else like.new_empty(0)) if g is None else g.contiguous()
        for t, g, need in zip(given, found[:_COUNT], needed, strict=False)
    )


@_recurrence_backward.register_fake
def _(*arguments):  # type: ignore[no-untyped-def]
    tensors, needs = arguments[5 : 5 + _COUNT], arguments[-1]
    like = tensors[7]
    return tuple(
        torch.empty_like(t, memory_format=torch.contiguous_format) if need else like.new_empty(0)
        for t, need in zip(tensors, needs, strict=True)
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*output[3:], *inputs[:_COUNT])
    ctx.rest = inputs[_COUNT:-1]
    ctx.set_materialize_grads(False)


def _backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
    needs = list(ctx.needs_input_grad[:_COUNT])
    found = _recurrence_backward(*grads[:3], *ctx.saved_tensors, *ctx.rest, needs)
    own = (g if need else None for g, need in zip(found, needs, strict=True))
    return *own, *(None for _ in ctx.rest), None


_recurrence.register_autograd(_backward, setup_context=_keep)


def _supports(call: Call) -> bool:
    """Whether the operators serve a call, as its device says; an exported graph has torch's own instead."""
    exporting = getattr(torch.compiler, "is_exporting", lambda: True)
    device = _DEVICES.get(call.membrane.device.type)
    return device is not None and not exporting() and device.supports(call)


def _run(call: Call) -> Result:
    """As ``ops.reference.run``, for a compiler; for what ``_supports`` says."""
    call = started(call if _device(call).shares else whole(call))
    fields = [getattr(call.neuron, name) for name in _FIELDS]
    sizes = list(call.steps.sizes or ())
    keep = any_requires_grad(call)
    with torch.autocast(call.membrane.device.type, enabled=False):
        found = _recurrence(*call.tensors[:_COUNT], *fields, sizes, call.steps.reverse, keep)
    return found[0], found[1], found[2]


BACKEND = Backend("operator", _supports, _run, shares=True)
