"""The time loop in Triton: a forward and a backward kernel for every neuron and every feedback.

One program takes a tile of ROWS sequences and COLS neurons through all steps. With feedback a
tile spans the whole hidden size, so the program holds all of W_hh and its rows need no other
program; without, tiles cut sequences and neurons alike. Sequence n has ``lengths[n]`` steps,
and step t of packed data begins at row ``offsets[t]``; unpacked data has ``steps`` of each.
"""

from __future__ import annotations

import triton
import triton.language as tl

from liafseq.ops.triton_neuron import membrane, sensitivity

__all__ = ["backward", "forward"]


@triton.jit
def _product(r, w, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """r w in w's precision, summed in float32 (float64 for float64)."""
    r = r.to(w.dtype)
    if WIDEN:  # the interpreter multiplies bfloat16's bit patterns
        r, w = r.to(tl.float32), w.to(tl.float32)
    return tl.dot(r, w, input_precision=PRECISION)


@triton.jit
def _at(offsets, t, rows, cols, batch, hidden, PACKED: tl.constexpr):
    """Where step t of sequences ``rows`` lies; 64 bits, since T N H may pass 2^31."""
    first = tl.load(offsets + t) if PACKED else t * batch
    return (first + rows).to(tl.int64) * hidden + cols


@triton.jit
def _active(inside, t, length, PACKED: tl.constexpr):
    """Which elements of the tile are of sequences that have a step t."""
    return inside & (t < length) if PACKED else inside


@triton.jit
def _longest(lengths, steps, ROWS: tl.constexpr, PACKED: tl.constexpr):
    """Steps of the tile's first sequence, its longest."""
    return tl.load(lengths + tl.program_id(0) * ROWS) if PACKED else steps


@triton.jit
def forward(
    current,
    weight,
    decay,
    threshold,
    leak,
    v0,
    r0,
    lengths,
    offsets,
    potentials,
    outputs,
    y_last,
    u_last,
    steps,
    batch,
    hidden,
    decay_stride,
    threshold_stride,
    leak_stride,
    FEEDBACK: tl.constexpr,
    ANALOG: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RELATED: tl.constexpr,
    SOFT: tl.constexpr,
    V_RESET: tl.constexpr,
    LEVELS: tl.constexpr,
    HAS_LEAK: tl.constexpr,
    HAS_R0: tl.constexpr,
    PACKED: tl.constexpr,
    REVERSE: tl.constexpr,
    KEEP: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Input current in; outputs, last output and membrane potential, and with KEEP all potentials out."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)[None, :]
    inside = (rows < batch) & (cols < hidden)
    state = rows.to(tl.int64) * hidden + cols
    alpha = tl.load(decay + cols * decay_stride, mask=cols < hidden, other=0.0)
    theta = tl.load(threshold + cols * threshold_stride, mask=cols < hidden, other=1.0)
    beta = tl.load(leak + cols * leak_stride, mask=cols < hidden, other=0.0) if HAS_LEAK else 0.0
    if FEEDBACK != "none":
        k = tl.arange(0, COLS)[:, None]
        w = tl.load(weight + cols * hidden + k, mask=(cols < hidden) & (k < hidden), other=0.0)
    v = tl.load(v0 + state, mask=inside, other=0.0)
    y = tl.load(r0 + state, mask=inside, other=0.0) if HAS_R0 else tl.full([ROWS, COLS], 0.0, v.dtype)
    u = v
    length = tl.load(lengths + rows, mask=rows < batch, other=0) if PACKED else steps
    count = _longest(lengths, steps, ROWS, PACKED)
    t = count - 1 if REVERSE else 0
    here = _at(offsets, t, rows, cols, batch, hidden, PACKED)
    x = tl.load(current + here, mask=_active(inside, t, length, PACKED), other=0.0)
    for step in tl.range(0, count, num_stages=STAGES):
        t = count - 1 - step if REVERSE else step
        here = _at(offsets, t, rows, cols, batch, hidden, PACKED)
        active = _active(inside, t, length, PACKED)
        if FEEDBACK == "none":
            x = tl.load(current + here, mask=active, other=0.0)
        else:  # the next step's current is on its way while this step's product runs
            after = tl.maximum(t - 1, 0) if REVERSE else tl.minimum(t + 1, count - 1)
            there = _at(offsets, after, rows, cols, batch, hidden, PACKED)
            x_after = tl.load(current + there, mask=_active(inside, after, length, PACKED), other=0.0)
        if FEEDBACK == "output":
            u_now = v + x.to(v.dtype) + _product(y, w, PRECISION, WIDEN)
        elif FEEDBACK == "membrane":
            u_now = x.to(v.dtype) + _product(v, w, PRECISION, WIDEN)
        else:
            u_now = v + x.to(v.dtype)
        y_now, v_now = membrane(u_now, alpha, theta, beta, ANALOG, ACTIVATION, RELATED, SOFT, V_RESET, LEVELS)
        if KEEP:
            tl.store(potentials + here, u_now, mask=active)
        tl.store(outputs + here, y_now, mask=active)
        if PACKED:
            u, y, v = tl.where(active, u_now, u), tl.where(active, y_now, y), tl.where(active, v_now, v)
        else:
            u, y, v = u_now, y_now, v_now
        if FEEDBACK != "none":
            x = x_after
    tl.store(y_last + state, y, mask=inside)
    tl.store(u_last + state, u, mask=inside)


@triton.jit
def backward(
    potentials,
    grad_outputs,
    grad_y,
    grad_u,
    weight,
    decay,
    threshold,
    leak,
    v0,
    r0,
    lengths,
    offsets,
    delta,
    before,
    grad_v0,
    grad_r0,
    grad_decay,
    grad_threshold,
    grad_leak,
    steps,
    batch,
    hidden,
    decay_stride,
    threshold_stride,
    leak_stride,
    FEEDBACK: tl.constexpr,
    ANALOG: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RELATED: tl.constexpr,
    SOFT: tl.constexpr,
    V_RESET: tl.constexpr,
    LEVELS: tl.constexpr,
    DETACH: tl.constexpr,
    SURROGATE: tl.constexpr,
    WIDTH: tl.constexpr,
    HAS_LEAK: tl.constexpr,
    HAS_R0: tl.constexpr,
    HAS_OUTPUTS: tl.constexpr,
    HAS_Y: tl.constexpr,
    HAS_U: tl.constexpr,
    WANT_BEFORE: tl.constexpr,
    WANT_DECAY: tl.constexpr,
    WANT_THRESHOLD: tl.constexpr,
    WANT_LEAK: tl.constexpr,
    PACKED: tl.constexpr,
    REVERSE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Potentials and the results' gradients in; delta = dL/du of every step and the states' gradients out.

    ``before`` receives what W_hh read at each step, for its gradient delta^T before; the neuron's
    own gradients are summed over time here, over sequences by the caller.
    """
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)[None, :]
    inside = (rows < batch) & (cols < hidden)
    state = rows.to(tl.int64) * hidden + cols
    alpha = tl.load(decay + cols * decay_stride, mask=cols < hidden, other=0.0)
    theta = tl.load(threshold + cols * threshold_stride, mask=cols < hidden, other=1.0)
    beta = tl.load(leak + cols * leak_stride, mask=cols < hidden, other=0.0) if HAS_LEAK else 0.0
    if FEEDBACK != "none":
        k = tl.arange(0, COLS)[:, None]
        w = tl.load(weight + k * hidden + cols, mask=(cols < hidden) & (k < hidden), other=0.0)
    length = tl.load(lengths + rows, mask=rows < batch, other=0) if PACKED else steps
    count = _longest(lengths, steps, ROWS, PACKED)
    if WANT_BEFORE:
        if FEEDBACK == "membrane":
            start = tl.load(v0 + state, mask=inside, other=0.0)
        elif HAS_R0:
            start = tl.load(r0 + state, mask=inside, other=0.0)
        else:
            start = tl.full([ROWS, COLS], 0.0, before.dtype.element_ty)
        if REVERSE:
            if PACKED:
                first = tl.load(offsets + length - 1, mask=rows < batch, other=0)
            else:
                first = (steps - 1) * batch
        else:
            first = 0
        place = (first + rows).to(tl.int64) * hidden + cols
        tl.store(before + place, start.to(before.dtype.element_ty), mask=inside)
    # what arrives from the step that ran after this one
    to_v = tl.full([ROWS, COLS], 0.0, potentials.dtype.element_ty)
    to_y = to_v
    sum_decay = to_v
    sum_threshold = to_v
    sum_leak = to_v
    final = 0 if REVERSE else count - 1
    t = final
    here = _at(offsets, t, rows, cols, batch, hidden, PACKED)
    active = _active(inside, t, length, PACKED)
    u = tl.load(potentials + here, mask=active, other=0.0)
    g = tl.load(grad_outputs + here, mask=active, other=0.0) if HAS_OUTPUTS else to_v
    for step in tl.range(0, count, num_stages=STAGES):
        t = step if REVERSE else count - 1 - step
        here = _at(offsets, t, rows, cols, batch, hidden, PACKED)
        active = _active(inside, t, length, PACKED)
        if FEEDBACK == "none":
            u = tl.load(potentials + here, mask=active, other=0.0)
            g = tl.load(grad_outputs + here, mask=active, other=0.0) if HAS_OUTPUTS else g
        else:
            following = tl.minimum(t + 1, count - 1) if REVERSE else tl.maximum(t - 1, 0)
            there = _at(offsets, following, rows, cols, batch, hidden, PACKED)
            ready = _active(inside, following, length, PACKED)
            u_after = tl.load(potentials + there, mask=ready, other=0.0)
            g_after = tl.load(grad_outputs + there, mask=ready, other=0.0) if HAS_OUTPUTS else g
        y, r, dy_du, dv_du, dy_dtheta, dv_dtheta = sensitivity(
            u, alpha, theta, ANALOG, ACTIVATION, RELATED, SOFT, V_RESET, LEVELS, DETACH, SURROGATE, WIDTH
        )
        gy, gv = g, to_v
        last = active & (rows * 0 + t == (length - 1 if PACKED and not REVERSE else final))
        if HAS_Y:
            gy += tl.load(grad_y + state, mask=last, other=0.0)
        if FEEDBACK == "output":
            gy += to_y
        if PACKED:
            gy, gv = tl.where(active, gy, 0.0), tl.where(active, gv, 0.0)
        d = gy * dy_du + gv * dv_du
        if HAS_U:
            d += tl.load(grad_u + state, mask=last, other=0.0)
        tl.store(delta + here, d.to(delta.dtype.element_ty), mask=active)
        if WANT_BEFORE:
            read = alpha * r + beta if FEEDBACK == "membrane" else y
            later = tl.maximum(t - 1, 0) if REVERSE else tl.minimum(t + 1, count - 1)
            goes = active & (rows * 0 + t > 0) if REVERSE else active & (rows * 0 + t + 1 < length)
            place = _at(offsets, later, rows, cols, batch, hidden, PACKED)
            tl.store(before + place, read.to(before.dtype.element_ty), mask=goes)
        if WANT_DECAY:
            sum_decay += gv * r
        if WANT_THRESHOLD:
            sum_threshold += gy * dy_dtheta + gv * dv_dtheta
        if WANT_LEAK:
            sum_leak += gv
        if FEEDBACK == "output":
            y_now = _product(d, w, PRECISION, WIDEN)
            to_y = tl.where(active, y_now, to_y) if PACKED else y_now
            v_now = d
        elif FEEDBACK == "membrane":
            v_now = _product(d, w, PRECISION, WIDEN)
        else:
            v_now = d
        to_v = tl.where(active, v_now, to_v) if PACKED else v_now
        if FEEDBACK != "none":
            u, g = u_after, g_after
    tl.store(grad_v0 + state, to_v, mask=inside)
    if FEEDBACK == "output":
        tl.store(grad_r0 + state, to_y, mask=inside)
    if WANT_DECAY:
        tl.store(grad_decay + state, sum_decay, mask=inside)
    if WANT_THRESHOLD:
        tl.store(grad_threshold + state, sum_threshold, mask=inside)
    if WANT_LEAK:
        tl.store(grad_leak + state, sum_leak, mask=inside)
