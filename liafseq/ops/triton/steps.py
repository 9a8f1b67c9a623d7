"""One step of the time loop in Triton, where W_hh does not fit on one multiprocessor.

Each program makes a tile of ROWS sequences and COLS neurons; the sum over W_hh's columns is split over the
SPLIT matrices of a three-dimensional product. A launch is a step, which orders what programs read of each
other. A captured launch has fixed arguments: so step and pointers are read from memory (``graph``).
"""

from __future__ import annotations

import triton
import triton.language as tl

from liafseq.ops.triton.neuron import advance, integrate

__all__ = ["SLOTS", "backward", "fill", "forward"]

SLOTS = 14
"""Pointers that a table has room for."""


@triton.jit
def fill(table, clock, p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, steps):
    """Write the pointers and the number of steps to where the steps read them."""
    tl.store(table + 0, p0.to(tl.int64))
    tl.store(table + 1, p1.to(tl.int64))
    tl.store(table + 2, p2.to(tl.int64))
    tl.store(table + 3, p3.to(tl.int64))
    tl.store(table + 4, p4.to(tl.int64))
    tl.store(table + 5, p5.to(tl.int64))
    tl.store(table + 6, p6.to(tl.int64))
    tl.store(table + 7, p7.to(tl.int64))
    tl.store(table + 8, p8.to(tl.int64))
    tl.store(table + 9, p9.to(tl.int64))
    tl.store(table + 10, p10.to(tl.int64))
    tl.store(table + 11, p11.to(tl.int64))
    tl.store(table + 12, p12.to(tl.int64))
    tl.store(table + 13, p13.to(tl.int64))
    tl.store(clock, 0)
    tl.store(clock + 1, steps)


@triton.jit
def _pointer(table, slot: tl.constexpr, dtype: tl.constexpr):
    """Pointers are to the start of memory that torch allocates, see ``run._aligned``."""
    return tl.multiple_of(tl.load(table + slot).to(tl.pointer_type(dtype)), 16)


@triton.jit
def _size(sizes, offsets, t, batch, PACKED: tl.constexpr):
    """How many sequences step t has, and its first row."""
    if PACKED:
        size, first = tl.load(sizes + t), tl.load(offsets + t)
    else:
        size, first = batch, (t * batch).to(tl.int64)
    return size, first


@triton.jit
def _product(
    left, weight, rows, cols, size, width, hidden, to_k, to_col, PRECISION: tl.constexpr, WIDEN: tl.constexpr,
    SPLIT: tl.constexpr, DEPTH: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """sum over k < width of left[row, k] weight[k, col]; nothing is read where there are no rows."""
    ROWS: tl.constexpr = rows.shape[0]
    COLS: tl.constexpr = cols.shape[0]
    part = tl.arange(0, SPLIT)[:, None, None] * DEPTH
    k_left = part + tl.arange(0, DEPTH)[None, None, :]
    k_right = part + tl.arange(0, DEPTH)[None, :, None]
    n, col = rows[None, :, None], cols[None, None, :]
    from_left = left + n.to(tl.int64) * width
    dtype: tl.constexpr = left.dtype.element_ty
    total = tl.zeros([SPLIT, ROWS, COLS], dtype)
    for k in tl.range(0, tl.where(size > 0, width, 0), SPLIT * DEPTH, num_stages=STAGES):
        r = tl.load(from_left + k + k_left, mask=(n < size) & (k + k_left < width), other=0.0)
        w = tl.load(
            weight + (k + k_right) * to_k + col * to_col,
            mask=(k + k_right < width) & (col < hidden),
            other=0.0,
        )
        r = r.to(w.dtype)
        if WIDEN:  # the interpreter multiplies bfloat16's bit patterns
            r, w = r.to(tl.float32), w.to(tl.float32)
        total += tl.dot(r, w, input_precision=PRECISION)
    return tl.sum(total, 0)


@triton.jit
def _number(pointer, cols, stride, wanted, GIVEN: tl.constexpr):
    return tl.load(pointer + cols * stride, mask=wanted, other=0.0) if GIVEN else 0.0


@triton.jit(do_not_specialize=["index", "batch", "decay_stride", "threshold_stride", "leak_stride"])
def forward(
    table,
    clock,
    index,
    batch,
    hidden,
    to_col,
    to_k,
    decay_stride,
    threshold_stride,
    leak_stride,
    NEURON: tl.constexpr,
    HAS_LEAK: tl.constexpr,
    PACKED: tl.constexpr,
    REVERSE: tl.constexpr,
    DTYPE: tl.constexpr,
    WEIGHT: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Step ``clock[0] + index`` of ``clock[1]``; what W_hh reads is written for the step after it."""
    GATED: tl.constexpr = NEURON.gate is not None
    current = _pointer(table, 0, DTYPE)
    weight = _pointer(table, 1, WEIGHT)
    kept = _pointer(table, 5, DTYPE)
    ring = _pointer(table, 6, DTYPE)
    potentials = _pointer(table, 7, DTYPE)
    whole = _pointer(table, 8, DTYPE)
    sizes = _pointer(table, 9, tl.int32)
    offsets = _pointer(table, 10, tl.int64)
    step, steps = tl.load(clock) + index, tl.load(clock + 1)
    t = tl.maximum(steps - 1 - step, 0) if REVERSE else tl.minimum(step, steps - 1)
    size, first = _size(sizes, offsets, t, batch, PACKED)
    # a chunk goes on beyond the last step, and is compiled before there are any tensors
    size = tl.where(step < steps, size, 0)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    n, col = rows[:, None], cols[None, :]
    active = (n < size) & (col < hidden)
    blocks: tl.constexpr = 2 if GATED else 1
    place = (first + n) * (blocks * hidden) + col
    x = tl.load(current + place, mask=active, other=0.0)
    area = batch.to(tl.int64) * hidden
    read = ring + (step % 2) * area
    x += _product(
        read, weight, rows, cols, size, hidden, hidden, to_k, to_col, PRECISION, WIDEN, SPLIT, DEPTH, STAGES
    )
    wanted = col < tl.where(size > 0, hidden, 0)
    alpha = _number(_pointer(table, 2, DTYPE), col, decay_stride, wanted, not GATED)
    theta = _number(_pointer(table, 3, DTYPE), col, threshold_stride, wanted, True)
    beta = _number(_pointer(table, 4, DTYPE), col, leak_stride, wanted, HAS_LEAK)
    state = n.to(tl.int64) * hidden + col
    v = tl.load(kept + state, mask=active, other=0.0)
    if GATED:
        g = tl.load(current + place + hidden, mask=active, other=0.0)
        g += _product(
            read, weight + hidden * to_col, rows, cols, size, hidden, hidden, to_k, to_col,
            PRECISION, WIDEN, SPLIT, DEPTH, STAGES,
        )  # fmt: skip
        tl.store(whole + place, x, mask=active)
        tl.store(whole + place + hidden, g, mask=active)
        u = integrate(v, x, g, beta, NEURON)
    elif NEURON.feedback == "membrane":
        u = x
    else:
        u = v + x
    tl.store(potentials + (first + n) * hidden + col, u, mask=active)
    y, v = advance(u, alpha, theta, beta, NEURON)
    # each element is read and written by this program alone
    tl.store(kept + state, v, mask=active)
    tl.store(ring + ((step + 1) % 2) * area + state, v if NEURON.feedback == "membrane" else y, mask=active)


@triton.jit(do_not_specialize=["index", "batch"])
def backward(
    table,
    clock,
    index,
    batch,
    hidden,
    NEURON: tl.constexpr,
    HAS_OUTPUT: tl.constexpr,
    HAS_Y: tl.constexpr,
    HAS_U: tl.constexpr,
    OWN: tl.constexpr,
    PACKED: tl.constexpr,
    REVERSE: tl.constexpr,
    DTYPE: tl.constexpr,
    WEIGHT: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    SPLIT: tl.constexpr,
    DEPTH: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Step ``clock[0] + index`` on the way back, which reads the current's gradient of the one before it."""
    GATED: tl.constexpr = NEURON.gate is not None
    to_output = _pointer(table, 0, DTYPE)
    weight = _pointer(table, 1, WEIGHT)
    dy = _pointer(table, 4, DTYPE)
    dv = _pointer(table, 5, DTYPE)
    opened = _pointer(table, 6, DTYPE)
    gating = _pointer(table, 7, DTYPE)
    delta = _pointer(table, 8, DTYPE)
    flow = _pointer(table, 9, DTYPE)
    at_y = _pointer(table, 10, DTYPE)
    at_v = _pointer(table, 11, DTYPE)
    sizes = _pointer(table, 12, tl.int32)
    offsets = _pointer(table, 13, tl.int64)
    step, steps = tl.load(clock) + index, tl.load(clock + 1)
    t = tl.minimum(step, steps - 1) if REVERSE else tl.maximum(steps - 1 - step, 0)
    size, first = _size(sizes, offsets, t, batch, PACKED)
    size = tl.where(step < steps, size, 0)
    later = tl.maximum(t - 1, 0) if REVERSE else tl.minimum(t + 1, steps - 1)
    known, after = _size(sizes, offsets, later, batch, PACKED)
    # sequences that ran a step after this one
    known = tl.where(step > 0, tl.minimum(known, size), 0)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)
    n, col = rows[:, None], cols[None, :]
    active = (n < size) & (col < hidden)
    last = active & (n >= known)
    went = active & (n < known)
    here, there = (first + n) * hidden + col, (after + n) * hidden + col
    width = 2 * hidden if GATED else hidden
    back = _product(
        flow + after * width, weight, rows, cols, known, width, hidden, hidden, 1,
        PRECISION, WIDEN, SPLIT, DEPTH, STAGES,
    )  # fmt: skip
    state = n.to(tl.int64) * hidden + col
    gy = tl.load(to_output + here, mask=active, other=0.0) if HAS_OUTPUT else tl.zeros([ROWS, COLS], DTYPE)
    if HAS_Y:
        gy += tl.load(_pointer(table, 2, DTYPE) + state, mask=last, other=0.0)
    if NEURON.feedback == "membrane":
        gv = back
    else:
        gy += back
        gv = tl.load(delta + there, mask=went, other=0.0)
        if GATED:
            gv *= tl.load(opened + there, mask=went, other=0.0)
    a = tl.load(dy + here, mask=active, other=0.0)
    b = tl.load(dv + here, mask=active, other=0.0)
    d = gy * a + gv * b
    if HAS_U:
        d += tl.load(_pointer(table, 3, DTYPE) + state, mask=last, other=0.0)
    tl.store(delta + here, d, mask=active)
    if OWN:
        tl.store(at_y + here, gy, mask=active)
        tl.store(at_v + here, gv, mask=active)
    if GATED:
        o = tl.load(opened + here, mask=active, other=0.0)
        s = tl.load(gating + here, mask=active, other=0.0)
        place = (first + n) * width + col
        tl.store(flow + place, d * (1.0 - o) if NEURON.normalize else d, mask=active)
        tl.store(flow + place + hidden, d * s, mask=active)
