"""The time loop in Triton: a forward and a backward kernel for every neuron and every feedback.

One program takes a tile of ROWS sequences and COLS neurons through all steps. With W_hh a tile spans the
whole hidden size, so the program holds all of the matrix and its sequences need no other program; without,
tiles cut sequences and neurons alike. The loops keep only what the next step needs: what is element-wise
over all steps is in ``elementwise``. Tiles are neurons by sequences, since 8 sequences are what a tensor
core multiplies from the right.

Sequence n has ``lengths[n]`` steps, and step t of packed data begins at row ``offsets[t]``; unpacked data,
where both are None, has ``steps`` of each.
"""

from __future__ import annotations

import triton
import triton.language as tl

from liafseq.ops.triton.neuron import advance, integrate, sensitivity

__all__ = ["backward", "forward", "product"]

COUNTS = ["steps", "batch", "decay_stride", "threshold_stride", "leak_stride"]


@triton.jit
def product(w, r, to, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """to + w r in w's precision, summed in float32 (float64 for float64)."""
    r = r.to(w.dtype)
    if WIDEN:  # the interpreter multiplies bfloat16's bit patterns
        w, r = w.to(tl.float32), r.to(tl.float32)
    return tl.dot(w, r, to, input_precision=PRECISION)


@triton.jit
def _both(x, gate, ROWS: tl.constexpr, COLS: tl.constexpr):
    """The tile of a gate below that of the current."""
    return tl.reshape(tl.permute(tl.join(x, gate), (2, 0, 1)), [2 * COLS, ROWS])


@triton.jit
def _halves(both, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Current and gate of such a tile."""
    return tl.split(tl.permute(tl.reshape(both, [2, COLS, ROWS]), (1, 2, 0)))


@triton.jit
def _row(offsets, t, rows, batch):
    """Where step t of sequences ``rows`` lies; 64 bits, since T N H may pass 2^31."""
    first = tl.load(offsets + t) if offsets is not None else t * batch
    return (first + rows).to(tl.int64)


@triton.jit
def _active(inside, t, length, PACKED: tl.constexpr):
    """Which elements of the tile are of sequences that have a step t."""
    return inside & (t < length) if PACKED else inside


@triton.jit
def _longest(lengths, steps, ROWS: tl.constexpr):
    """Steps of the tile's first sequence, its longest."""
    return tl.load(lengths + tl.program_id(0) * ROWS) if lengths is not None else steps


@triton.jit
def _number(pointer, cols, stride, hidden, other):
    return tl.load(pointer + cols * stride, mask=cols < hidden, other=other) if pointer is not None else other


@triton.jit(do_not_specialize=COUNTS)
def forward(
    current,
    weight,
    decay,
    threshold,
    leak,
    v0,
    y0,
    lengths,
    offsets,
    potentials,
    whole,
    outputs,
    steps,
    batch,
    hidden,
    to_row,
    to_col,
    decay_stride,
    threshold_stride,
    leak_stride,
    NEURON: tl.constexpr,
    REVERSE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Input current in; potentials of all steps out, with a gate the whole current, and outputs if wanted."""
    PACKED: tl.constexpr = lengths is not None
    GATED: tl.constexpr = NEURON.gate is not None
    width = 2 * hidden if GATED else hidden
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[None, :]
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)[:, None]
    inside = (rows < batch) & (cols < hidden)
    state = rows.to(tl.int64) * hidden + cols
    alpha = _number(decay, cols, decay_stride, hidden, 0.0)
    theta = _number(threshold, cols, threshold_stride, hidden, 1.0)
    beta = _number(leak, cols, leak_stride, hidden, 0.0)
    # the columns of the current: with a gate its own behind those of the neurons
    tall = tl.arange(0, 2 * COLS if GATED else COLS)[:, None]
    neuron = tl.program_id(1) * COLS + tall % COLS
    within = neuron + tall // COLS * hidden
    whole_inside = (rows < batch) & (neuron < hidden)
    if weight is not None:
        k = tl.arange(0, COLS)[None, :]
        w = tl.load(weight + within * to_row + k * to_col, mask=(neuron < hidden) & (k < hidden), other=0.0)
    v = tl.load(v0 + state, mask=inside, other=0.0)
    y = tl.load(y0 + state, mask=inside, other=0.0) if y0 is not None else tl.zeros([COLS, ROWS], v.dtype)
    length = tl.load(lengths + rows, mask=rows < batch, other=0) if PACKED else steps
    count = _longest(lengths, steps, ROWS)
    t = count - 1 if REVERSE else count * 0
    there = _row(offsets, t, rows, batch) * width + within
    x = tl.load(current + there, mask=_active(whole_inside, t, length, PACKED), other=0.0)
    for step in tl.range(0, count, num_stages=STAGES):
        t = count - 1 - step if REVERSE else step
        row = _row(offsets, t, rows, batch)
        here = row * hidden + cols
        active = _active(inside, t, length, PACKED)
        ready = _active(whole_inside, t, length, PACKED)
        if weight is None:
            x = tl.load(current + row * width + within, mask=ready, other=0.0)
        else:  # the next step's current is on its way while this step's product runs
            after = tl.maximum(t - 1, 0) if REVERSE else tl.minimum(t + 1, count - 1)
            there = _row(offsets, after, rows, batch) * width + within
            x_after = tl.load(current + there, mask=_active(whole_inside, after, length, PACKED), other=0.0)
            x = product(w, v if NEURON.feedback == "membrane" else y, x, PRECISION, WIDEN)
            if GATED:
                tl.store(whole + row * width + within, x, mask=ready)
        if GATED:
            own, gate = _halves(x, ROWS, COLS)
            u = integrate(v, own, gate, beta, NEURON)
        elif NEURON.feedback == "membrane":
            u = x
        else:
            u = v + x
        tl.store(potentials + here, u, mask=active)
        y_now, v_now = advance(u, alpha, theta, beta, NEURON)
        if outputs is not None:
            tl.store(outputs + here, y_now, mask=active)
        if PACKED and REVERSE:  # sequences begin at their own end
            y, v = tl.where(active, y_now, y), tl.where(active, v_now, v)
        else:
            y, v = y_now, v_now
        if weight is not None:
            x = x_after


@triton.jit(do_not_specialize=COUNTS)
def backward(
    potentials,
    to_output,
    grad_y,
    grad_u,
    weight,
    decay,
    threshold,
    dy,
    dv,
    opened,
    gating,
    lengths,
    offsets,
    delta,
    flow,
    at_y,
    at_v,
    steps,
    batch,
    hidden,
    decay_stride,
    threshold_stride,
    NEURON: tl.constexpr,
    REVERSE: tl.constexpr,
    PRECISION: tl.constexpr,
    WIDEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLS: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Gradients of the results in; delta = dL/du of all steps out, and with a gate those of its current.

    dy/du and dv/du are read from ``dy`` and ``dv``, or made of the potentials where these are None.
    ``at_y`` and ``at_v`` receive dL/dy and dL/dv where the neuron's own gradients are wanted.
    """
    PACKED: tl.constexpr = lengths is not None
    GATED: tl.constexpr = NEURON.gate is not None
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[None, :]
    cols = tl.program_id(1) * COLS + tl.arange(0, COLS)[:, None]
    inside = (rows < batch) & (cols < hidden)
    state = rows.to(tl.int64) * hidden + cols
    dtype: tl.constexpr = delta.dtype.element_ty
    if dy is None:
        alpha = _number(decay, cols, decay_stride, hidden, 0.0)
        theta = _number(threshold, cols, threshold_stride, hidden, 1.0)
    tall = tl.arange(0, 2 * COLS if GATED else COLS)[:, None]
    neuron = tl.program_id(1) * COLS + tall % COLS
    within = neuron + tall // COLS * hidden
    whole_inside = (rows < batch) & (neuron < hidden)
    if weight is not None:
        k = tl.arange(0, 2 * COLS if GATED else COLS)[None, :]
        of_current = k % COLS + k // COLS * hidden
        w = tl.load(
            weight + of_current * hidden + cols, mask=(cols < hidden) & (k % COLS < hidden), other=0.0
        )
    length = tl.load(lengths + rows, mask=rows < batch, other=0) if PACKED else steps
    count = _longest(lengths, steps, ROWS)
    # what arrives at a step from the one that ran after it; at each sequence's last step from outside
    ENDS: tl.constexpr = PACKED and not REVERSE
    zero = tl.zeros([COLS, ROWS], dtype)
    gv = zero
    gy = tl.load(grad_y + state, mask=inside, other=0.0) if grad_y is not None and not ENDS else zero
    to_u = tl.load(grad_u + state, mask=inside, other=0.0) if grad_u is not None and not ENDS else zero
    t = count * 0 if REVERSE else count - 1
    here = _row(offsets, t, rows, batch) * hidden + cols
    ready = _active(inside, t, length, PACKED)
    if to_output is not None:
        gy += tl.load(to_output + here, mask=ready, other=0.0)
    if weight is not None:
        a = tl.load(dy + here, mask=ready, other=0.0)
        b = tl.load(dv + here, mask=ready, other=0.0)
        if GATED:
            o = tl.load(opened + here, mask=ready, other=0.0)
            s = tl.load(gating + here, mask=ready, other=0.0)
    for step in tl.range(0, count, num_stages=STAGES):
        t = step if REVERSE else count - 1 - step
        row = _row(offsets, t, rows, batch)
        here = row * hidden + cols
        active = _active(inside, t, length, PACKED)
        after = tl.minimum(t + 1, count - 1) if REVERSE else tl.maximum(t - 1, 0)
        there = _row(offsets, after, rows, batch) * hidden + cols
        ready = _active(inside, after, length, PACKED)
        g_after = tl.load(to_output + there, mask=ready, other=0.0) if to_output is not None else zero
        if weight is not None:
            a_after = tl.load(dy + there, mask=ready, other=0.0)
            b_after = tl.load(dv + there, mask=ready, other=0.0)
            if GATED:
                o_after = tl.load(opened + there, mask=ready, other=0.0)
                s_after = tl.load(gating + there, mask=ready, other=0.0)
        else:
            if dy is None:
                u = tl.load(potentials + here, mask=active, other=0.0)
                _, a, b, _, _ = sensitivity(u, alpha, theta, NEURON)
            else:
                a = tl.load(dy + here, mask=active, other=0.0)
                b = tl.load(dv + here, mask=active, other=0.0)
            if GATED:
                o = tl.load(opened + here, mask=active, other=0.0)
                s = tl.load(gating + here, mask=active, other=0.0)
        if ENDS:  # sequences end at different steps
            last = active & (rows * 0 + t == length - 1)
            if grad_y is not None:
                gy += tl.load(grad_y + state, mask=last, other=0.0)
            if grad_u is not None:
                to_u = tl.load(grad_u + state, mask=last, other=0.0)
        d = gy * a + gv * b
        if grad_u is not None:
            d += to_u
        if PACKED:
            d = tl.where(active, d, 0.0)
        tl.store(delta + here, d, mask=active)
        if at_y is not None:
            tl.store(at_y + here, gy, mask=active)
            tl.store(at_v + here, gv, mask=active)
        following = g_after
        if GATED:
            gv = d * o
            own = d * (1.0 - o) if NEURON.normalize else d
            both = _both(own, d * s, ROWS, COLS)
            tl.store(flow + row * (2 * hidden) + within, both, mask=_active(whole_inside, t, length, PACKED))
            if weight is not None:
                following = product(w, both, g_after, PRECISION, WIDEN)
        elif NEURON.feedback == "membrane":
            gv = product(w, d, zero, PRECISION, WIDEN) if weight is not None else zero
        else:
            gv = d
            if weight is not None:
                following = product(w, d, g_after, PRECISION, WIDEN)
        gy, to_u = following, zero
        if weight is not None:
            a, b = a_after, b_after
            if GATED:
                o, s = o_after, s_after


def warps(cols: int) -> int:
    """Of a program whose tile spans ``cols`` neurons."""
    return min(8, max(1, cols // 16))
