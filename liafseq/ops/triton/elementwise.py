"""What is element-wise over all steps, in Triton: before the loops and after them."""

from __future__ import annotations

import triton
import triton.language as tl

from liafseq.ops.triton.neuron import advance, sensitivity, shares

__all__ = ["emit", "slopes", "totals"]

STRIDES = ["decay_stride", "threshold_stride", "leak_stride"]


@triton.jit(do_not_specialize=["rows", "threshold_stride"])
def emit(
    potentials, threshold, outputs, rows, hidden, threshold_stride, NEURON: tl.constexpr, BLOCK: tl.constexpr
):
    """y of every u."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < rows.to(tl.int64) * hidden
    u = tl.load(potentials + at, mask=inside, other=0.0)
    theta = tl.load(threshold + (at % hidden) * threshold_stride, mask=inside, other=1.0)
    y, _ = advance(u, 0.0, theta, 0.0, NEURON)
    tl.store(outputs + at, y, mask=inside)


@triton.jit(do_not_specialize=["rows", "batch", *STRIDES])
def slopes(
    potentials,
    current,
    v0,
    before,
    decay,
    threshold,
    leak,
    dy,
    dv,
    opened,
    gating,
    read,
    rows,
    batch,
    hidden,
    decay_stride,
    threshold_stride,
    leak_stride,
    NEURON: tl.constexpr,
    REVERSE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """dy/du and dv/du of every u; with a gate du/dv and du/dg; what W_hh read of each step, if wanted.

    ``before`` has for each row that of the step before it, or of sequence n at its start -1 - n; it is None
    where all steps have all sequences.
    """
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < rows.to(tl.int64) * hidden
    row, col = at // hidden, at % hidden
    u = tl.load(potentials + at, mask=inside, other=0.0)
    alpha = tl.load(decay + col * decay_stride, mask=inside, other=0.0) if decay is not None else 0.0
    beta = tl.load(leak + col * leak_stride, mask=inside, other=0.0) if leak is not None else 0.0
    theta = tl.load(threshold + col * threshold_stride, mask=inside, other=1.0)
    if dy is not None:
        _, dy_du, dv_du, _, _ = sensitivity(u, alpha, theta, NEURON)
        tl.store(dy + at, dy_du, mask=inside)
        tl.store(dv + at, dv_du, mask=inside)
    if read is not None:
        y, v = advance(u, alpha, theta, beta, NEURON)
        tl.store(read + at, v if NEURON.feedback == "membrane" else y, mask=inside)
    if opened is not None:
        if before is not None:
            old = tl.load(before + row, mask=inside, other=0)
        elif REVERSE:
            old = tl.where(row + batch < rows, row + batch, rows - batch - row - 1)
        else:
            old = tl.where(row < batch, -1 - row, row - batch)
        u_old = tl.load(potentials + old * hidden + col, mask=inside & (old >= 0), other=0.0)
        _, v = advance(u_old, alpha, theta, beta, NEURON)
        v = tl.where(old >= 0, v, tl.load(v0 + (-1 - old) * hidden + col, mask=inside & (old < 0), other=0.0))
        own = tl.load(current + row * (2 * hidden) + col, mask=inside, other=0.0)
        gate = tl.load(current + row * (2 * hidden) + hidden + col, mask=inside, other=0.0)
        a, slope = shares(v, own, gate, NEURON)
        tl.store(opened + at, a, mask=inside)
        tl.store(gating + at, slope, mask=inside)


@triton.jit(do_not_specialize=["rows", "part", "decay_stride", "threshold_stride"])
def totals(
    potentials,
    at_y,
    at_v,
    decay,
    threshold,
    sum_decay,
    sum_threshold,
    sum_leak,
    rows,
    part,
    hidden,
    decay_stride,
    threshold_stride,
    NEURON: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
):
    """The neuron's own gradients from dL/dy and dL/dv of all steps, a sum for each ``part`` of the rows."""
    col = tl.program_id(1) * COLS + tl.arange(0, COLS)[None, :]
    wide = col < hidden
    alpha = tl.load(decay + col * decay_stride, mask=wide, other=0.0) if decay is not None else 0.0
    theta = tl.load(threshold + col * threshold_stride, mask=wide, other=1.0)
    to_decay = tl.zeros([ROWS, COLS], potentials.dtype.element_ty)
    to_threshold, to_leak = to_decay, to_decay
    first = tl.program_id(0) * part
    for start in tl.range(first, tl.minimum(first + part, rows), ROWS):
        row = start + tl.arange(0, ROWS)[:, None]
        inside = wide & (row < rows) & (row < first + part)
        at = row.to(tl.int64) * hidden + col
        u = tl.load(potentials + at, mask=inside, other=0.0)
        gy = tl.load(at_y + at, mask=inside, other=0.0)
        gv = tl.load(at_v + at, mask=inside, other=0.0)
        r, _, _, dy_dtheta, dv_dtheta = sensitivity(u, alpha, theta, NEURON)
        to_decay += gv * r
        to_threshold += gy * dy_dtheta + gv * dv_dtheta
        to_leak += gv
    to = tl.program_id(0) * hidden + tl.program_id(1) * COLS + tl.arange(0, COLS)
    wide = tl.program_id(1) * COLS + tl.arange(0, COLS) < hidden
    if sum_decay is not None:
        tl.store(sum_decay + to, tl.sum(to_decay, 0), mask=wide)
    if sum_threshold is not None:
        tl.store(sum_threshold + to, tl.sum(to_threshold, 0), mask=wide)
    if sum_leak is not None:
        tl.store(sum_leak + to, tl.sum(to_leak, 0), mask=wide)
