"""The compiled time loops: the whole recurrence, products included, in one call.

Choices of the neuron are numbers, tested once a row, so that every inner loop is plain and
vectorises; one kernel serves all neurons, one more the gated ones. ``liafseq/neurons.py``
is what they must agree with. Rows of a step lie together in packed order; ``starts`` and ``counts`` give
each step's rows in the order in which the steps run. All in one file: numba's cache does not see that a
function which a kernel calls has changed in another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from liafseq.ops._numba import exp, gemm, tanh

__all__ = [
    "ACTIVATION", "FEEDBACK", "SURROGATE", "backward", "backward_blocks", "forward", "forward_blocks",
    "gated_backward", "gated_forward",
]  # fmt: skip

_ACTIVATIONS = (
    ("identity",), ("relu",), ("tanh",), ("sigmoid",), ("leaky_relu",), ("elu", "celu"), ("selu",), ("silu",),
    ("softsign",), ("hardtanh",), ("relu6",), ("hardsigmoid",), ("softplus",), ("gelu",), ("mish",),
)  # fmt: skip
ACTIVATION = {name: code for code, names in enumerate(_ACTIVATIONS) for name in names}
SURROGATE = {"rectangular": 0, "triangular": 1, "gaussian": 2, "sigmoid": 3, "arctan": 4}
FEEDBACK = {None: 0, "output": 1, "membrane": 2}
SPIKE = -1
"""In the place of an activation: the neuron emits its spikes."""


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    # numpy's division does not raise, and a loop that cannot raise vectorises
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep compiled code in
        return njit(**options)(function)


_SELU_A, _SELU_L = 1.6732632423543772, 1.0507009873554805
# torch's derivative of hardsigmoid is this in double precision, too
_SIXTH = float(np.float32(1 / 6))
# so few spikes a row are added one by one instead of multiplied
_SPARSE = 16


@_compiled
def _copy(to, x):
    """A row into another: a loop vectorises, an assignment of slices does not."""
    for h in range(x.size):
        to[h] = x[h]


@_compiled
def _add(to, x, v):
    for h in range(x.size):
        to[h] = x[h] + v[h]


@_compiled
def _count(u, theta, levels, s):
    """s: how many thresholds each u of a row has crossed."""
    one, zero = u.dtype.type(1), u.dtype.type(0)
    for h in range(u.size):
        s[h] = one if u[h] >= theta[h] else zero
    for k in range(2, levels + 1):
        factor = u.dtype.type(k)
        for h in range(u.size):
            s[h] += one if u[h] >= factor * theta[h] else zero


@_compiled
def _kept(u, s, alpha, beta, theta, soft, v_reset, v):
    """v = alpha R + beta of a row."""
    if soft:
        for h in range(u.size):
            v[h] = alpha[h] * (u[h] - theta[h] * s[h]) + beta[h]
    else:
        one = u.dtype.type(1)
        for h in range(u.size):
            v[h] = alpha[h] * (u[h] * (one - s[h]) + v_reset * s[h]) + beta[h]


@_compiled
def _softplus(x):
    # as torch has it: beyond 20 the logarithm is x itself
    return x if x > 20 else math.log1p(exp(x))


@_compiled
def _activate(x, kind, y):
    """y = f(x) of a row."""
    real = x.dtype.type
    one, zero = real(1), real(0)
    if kind == 0:
        _copy(y, x)
    elif kind == 1:
        for h in range(x.size):
            y[h] = zero if x[h] <= zero else x[h]
    elif kind == 2:
        for h in range(x.size):
            y[h] = tanh(x[h])
    elif kind == 3:
        for h in range(x.size):
            y[h] = one / (one + exp(-x[h]))
    elif kind == 4:
        for h in range(x.size):
            y[h] = x[h] if x[h] > zero else real(0.01) * x[h]
    elif kind == 5:
        for h in range(x.size):
            y[h] = x[h] if x[h] > zero else exp(x[h]) - one
    elif kind == 6:
        for h in range(x.size):
            y[h] = real(_SELU_L) * (x[h] if x[h] > zero else real(_SELU_A) * (exp(x[h]) - one))
    elif kind == 7:
        for h in range(x.size):
            y[h] = x[h] / (one + exp(-x[h]))
    elif kind == 8:
        for h in range(x.size):
            y[h] = x[h] / (one + abs(x[h]))
    elif kind == 9:
        for h in range(x.size):
            y[h] = min(max(x[h], -one), one)
    elif kind == 10:
        for h in range(x.size):
            y[h] = min(max(x[h], zero), real(6))
    elif kind == 11:
        for h in range(x.size):
            y[h] = min(max(x[h] + real(3), zero), real(6)) / real(6)
    elif kind == 12:
        for h in range(x.size):
            y[h] = _softplus(x[h])
    elif kind == 13:
        for h in range(x.size):
            y[h] = real(0.5) * x[h] * (one + real(math.erf(x[h] * real(math.sqrt(0.5)))))
    else:
        for h in range(x.size):
            y[h] = x[h] * tanh(_softplus(x[h]))


@_compiled
def _slope(x, y, kind, a):
    """a = f'(x) of a row, with y = f(x)."""
    real = x.dtype.type
    one, zero = real(1), real(0)
    if kind == 0:
        a[:] = one
    elif kind == 1:
        for h in range(x.size):
            a[h] = one if x[h] > zero else zero
    elif kind == 2:
        for h in range(x.size):
            a[h] = one - y[h] * y[h]
    elif kind == 3:
        for h in range(x.size):
            a[h] = y[h] * (one - y[h])
    elif kind == 4:
        for h in range(x.size):
            a[h] = one if x[h] > zero else real(0.01)
    elif kind == 5:
        for h in range(x.size):
            a[h] = one if x[h] > zero else y[h] + one
    elif kind == 6:
        for h in range(x.size):
            a[h] = real(_SELU_L) if x[h] > zero else y[h] + real(_SELU_L * _SELU_A)
    elif kind == 7:
        for h in range(x.size):
            g = one / (one + exp(-x[h]))
            a[h] = g * (one + x[h] * (one - g))
    elif kind == 8:
        for h in range(x.size):
            g = one + abs(x[h])
            a[h] = one / (g * g)
    elif kind == 9:
        for h in range(x.size):
            a[h] = one if -one < x[h] < one else zero
    elif kind == 10:
        for h in range(x.size):
            a[h] = one if zero < x[h] < real(6) else zero
    elif kind == 11:
        for h in range(x.size):
            a[h] = real(_SIXTH) if -real(3) < x[h] < real(3) else zero
    elif kind == 12:
        for h in range(x.size):
            a[h] = one / (one + exp(-x[h]))
    elif kind == 13:
        for h in range(x.size):
            density = exp(real(-0.5) * x[h] * x[h]) * real(1 / math.sqrt(2 * math.pi))
            a[h] = real(0.5) * (one + real(math.erf(x[h] * real(math.sqrt(0.5))))) + x[h] * density
    else:
        for h in range(x.size):
            g = tanh(_softplus(x[h]))
            a[h] = g + x[h] * (one - g * g) / (one + exp(-x[h]))


@_compiled
def _surrogate(u, theta, factor, kind, w, d):
    """d = h(u - factor theta), the derivative of one threshold's spike, of a row."""
    real = u.dtype.type
    one, zero, half = real(1), real(0), real(0.5)
    if kind == 0:
        for h in range(u.size):
            d[h] = one / w if abs(u[h] - factor * theta[h]) < half * w else zero
    elif kind == 1:
        for h in range(u.size):
            z = one - abs(u[h] - factor * theta[h]) / w
            d[h] = (z if z > zero else zero) / w
    elif kind == 2:
        scale = one / (w * real(math.sqrt(2 * math.pi)))
        for h in range(u.size):
            z = (u[h] - factor * theta[h]) / w
            d[h] = exp(-half * z * z) * scale
    elif kind == 3:
        for h in range(u.size):
            g = half + half * tanh(half * (u[h] - factor * theta[h]) / w)
            d[h] = g * (one - g) / w
    else:
        for h in range(u.size):
            z = real(math.pi) / w * (u[h] - factor * theta[h])
            d[h] = one / (w * (one + z * z))


@_compiled
def _add_product(blas, weight, by_input, sparse, r, counts, u):
    """u += r W^T for the first ``counts`` rows; spikes that are few select rows of ``by_input`` = W^T."""
    wide, hidden = weight.shape
    if sparse:
        zero = r.dtype.type(0)
        active = 0
        for n in range(counts):
            for h in range(hidden):
                active += 1 if r[n, h] != zero else 0
        if active * _SPARSE <= counts * hidden:
            for n in range(counts):
                row = u[n]
                for j in range(hidden):
                    if r[n, j] != zero:
                        spike, column = r[n, j], by_input[j]
                        for h in range(wide):
                            row[h] += spike * column[h]
            return
    gemm(
        blas, 1, wide, counts, hidden, weight.ctypes.data, hidden, r.ctypes.data, hidden,
        r.dtype.type(1), u.ctypes.data, wide,
    )  # fmt: skip


@_compiled
def forward(
    blas, current, potentials, outputs, weight, by_input, alpha, beta, theta, v, y, u_last, starts, counts,
    feedback, kind, related, soft, v_reset, levels,
):  # fmt: skip
    """Runs over all steps: v, y are the state, in and out.

    alpha, beta, theta may repeat their numbers for several rows, which are then read as one. Without rows
    of ``current``, ``potentials`` holds the currents at first. With them, which is for no feedback,
    ``potentials`` may have no rows: then they are not kept.
    """
    hidden, joined = outputs.shape[1], theta.size // outputs.shape[1]
    s, x, scratch = np.empty_like(theta), np.empty_like(theta), np.empty_like(theta)
    sparse = kind == SPIKE and feedback == 1
    given, keep = current.shape[0] > 0, potentials.shape[0] > 0
    currents, us, outs = current.reshape(-1), potentials.reshape(-1), outputs.reshape(-1)
    vs, ys, lasts = v.reshape(-1), y.reshape(-1), u_last.reshape(-1)
    even = counts.min() == counts.max()
    for step in range(starts.size):
        start, rows = starts[step], counts[step]
        if rows == 0:
            continue
        if feedback != 2 and not given:
            to = us[start * hidden : (start + rows) * hidden]
            for h in range(to.size):
                to[h] += vs[h]
        if feedback != 0:
            if feedback == 2:
                read = v[:rows]
            elif even and step > 0:
                before = starts[step - 1]
                read = outputs[before : before + rows]
            else:
                read = y[:rows]
            _add_product(blas, weight, by_input, sparse, read, rows, potentials[start : start + rows])
        alive = counts[step + 1] if step + 1 < starts.size else 0
        for n in range(0, rows, joined):
            low, at, size = n * hidden, (start + n) * hidden, min(joined, rows - n) * hidden
            u = us[at : at + size] if keep else scratch[:size]
            kept, out = vs[low : low + size], outs[at : at + size]
            if given:
                _add(u, currents[at : at + size], kept)
            _count(u, theta, levels, s)
            _kept(u, s, alpha, beta, theta, soft, v_reset, kept)
            if kind == SPIKE:
                _copy(out, s[:size])
            elif related:
                for h in range(size):
                    x[h] = u[h] - theta[h]
                _activate(x[:size], kind, out)
            else:
                _activate(u, kind, out)
            ended = max(alive - n, 0) * hidden
            if ended < size:
                _copy(lasts[low + ended : low + size], u[ended:])
            # of even steps it is read where it is
            first = 0 if feedback == 1 and not even else ended
            if first < size:
                _copy(ys[low + first : low + size], out[first:])


@_compiled
def _spike_slopes(u, theta, levels, surrogate, width, learns_theta, d, dk, scratch):
    """d = ds/du, dk = -ds/dtheta of a row: the k-th threshold moves k times as fast."""
    real = u.dtype.type
    _surrogate(u, theta, real(1), surrogate, width, d)
    if learns_theta:
        _copy(dk, d[: u.size])
    for k in range(2, levels + 1):
        _surrogate(u, theta, real(k), surrogate, width, scratch)
        for h in range(u.size):
            d[h] += scratch[h]
        if learns_theta:
            for h in range(u.size):
                dk[h] += real(k) * scratch[h]


@_compiled
def _to_potential(u, s, d, a, gy, gv, alpha, theta, soft, v_reset, detach, g):
    """g = dL/du of a row by way of y (slope a) and of v = alpha R + beta."""
    one = u.dtype.type(1)
    if detach:
        if soft:
            for h in range(u.size):
                g[h] = gy[h] * a[h] + gv[h] * alpha[h]
        else:
            for h in range(u.size):
                g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - s[h])
    elif soft:
        for h in range(u.size):
            g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - theta[h] * d[h])
    else:
        for h in range(u.size):
            g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - s[h] + (v_reset - u[h]) * d[h])


@_compiled
def _to_threshold(u, s, dk, a, gy, gv, alpha, theta, kind, related, soft, v_reset, detach, of_theta):
    """of_theta += dL/dtheta of a row, likewise."""
    if kind == SPIKE:
        for h in range(u.size):
            of_theta[h] -= gy[h] * dk[h]
    elif related:
        for h in range(u.size):
            of_theta[h] -= gy[h] * a[h]
    if soft:
        for h in range(u.size):
            of_theta[h] -= gv[h] * alpha[h] * s[h]
    if not detach:
        if soft:
            for h in range(u.size):
                of_theta[h] += gv[h] * alpha[h] * theta[h] * dk[h]
        else:
            for h in range(u.size):
                of_theta[h] -= gv[h] * alpha[h] * (v_reset - u[h]) * dk[h]


@_compiled
def backward(
    blas, potentials, weight, alpha, beta, theta, to_output, to_u, back_y, back_v, delta, previous,
    starts, counts, seen, feedback, kind, related, soft, v_reset, levels, surrogate, width, detach, learn,
    sums,
):  # fmt: skip
    """Runs backwards: ``delta`` = dL/du of all steps, ``previous`` = what W_hh read from each step.

    Of the steps' rows ``seen`` were in a later step already, of an earlier call. ``to_output`` (no rows:
    zero) and ``to_u`` are the gradients that arrive at outputs and last potentials; back_y and back_v hold
    that of the last y at first and those of y_0 (with feedback of y only) and v_0 at the end. ``sums``, in
    double precision and as wide as alpha, gathers the gradients of alpha, theta and beta: those of which
    the bit 1, 2 or 4 is set in ``learn``.
    """
    hidden, joined = potentials.shape[1], theta.size // potentials.shape[1]
    real = theta.dtype.type
    one, zero = real(1), real(0)
    s, x, own_y, d, dk, a = (
        np.empty_like(theta), np.empty_like(theta), np.empty_like(theta), np.empty_like(theta),
        np.empty_like(theta), np.empty_like(theta),
    )  # fmt: skip
    step_sums = np.zeros((3, theta.size), theta.dtype)
    of_alpha, of_theta, of_beta = step_sums[0], step_sums[1], step_sums[2]
    none = np.zeros_like(theta)
    us, deltas, reads, arrivals = (
        potentials.reshape(-1), delta.reshape(-1), previous.reshape(-1), to_output.reshape(-1),
    )  # fmt: skip
    gvs, gys, ends = back_v.reshape(-1), back_y.reshape(-1), to_u.reshape(-1)
    given = to_output.shape[0] > 0
    spike_slope = kind == SPIKE or not detach
    learns_alpha, learns_theta, learns_beta = learn & 1 != 0, learn & 2 != 0, learn & 4 != 0
    for step in range(starts.size - 1, -1, -1):
        start, rows = starts[step], counts[step]
        known = min(seen, rows)
        n = 0
        while n < rows:
            # rows that are read as one have all ended here, or none of them
            end = min(n + joined, known if n < known else rows)
            low, at, size = n * hidden, (start + n) * hidden, (end - n) * hidden
            going_on = n < known
            n = end
            u, g, gv = us[at : at + size], deltas[at : at + size], gvs[low : low + size]
            _count(u, theta, levels, s)
            if spike_slope:
                _spike_slopes(u, theta, levels, surrogate, width, learns_theta, d, dk, a)
            # without feedback of y nothing comes to it from the future
            gy = gys[low : low + size]
            if feedback != 1 and going_on:
                gy = arrivals[at : at + size] if given else none[:size]
            elif given:
                arrived = arrivals[at : at + size]
                for h in range(size):
                    gy[h] += arrived[h]
            y = reads[at : at + size] if feedback == 1 else own_y[:size]
            if kind == SPIKE:
                _copy(a, d[:size])
                if feedback == 1:
                    _copy(y, s[:size])
            elif related:
                for h in range(size):
                    x[h] = u[h] - theta[h]
                _activate(x[:size], kind, y)
                _slope(x[:size], y, kind, a)
            else:
                _activate(u, kind, y)
                _slope(u, y, kind, a)
            _to_potential(u, s, d, a, gy, gv, alpha, theta, soft, v_reset, detach, g)
            if not going_on:
                for h in range(size):
                    g[h] += ends[low + h]
            if learns_alpha:
                if soft:
                    for h in range(size):
                        of_alpha[h] += gv[h] * (u[h] - theta[h] * s[h])
                else:
                    for h in range(size):
                        of_alpha[h] += gv[h] * (u[h] * (one - s[h]) + v_reset * s[h])
            if learns_theta:
                _to_threshold(
                    u, s, dk, a, gy, gv, alpha, theta, kind, related, soft, v_reset, detach, of_theta
                )
            if learns_beta:
                for h in range(size):
                    of_beta[h] += gv[h]
            if feedback == 2:
                _kept(u, s, alpha, beta, theta, soft, v_reset, reads[at : at + size])
            else:
                _copy(gv, g)
        if learn != 0:
            for i in range(3):
                for h in range(theta.size):
                    sums[i, h] += step_sums[i, h]
                    step_sums[i, h] = zero
        seen = max(seen, rows)
        if feedback != 0 and rows > 0:
            into = back_y if feedback == 1 else back_v
            gemm(
                blas, 0, hidden, rows, hidden, weight.ctypes.data, hidden, delta[start:].ctypes.data, hidden,
                zero, into.ctypes.data, hidden,
            )  # fmt: skip


@_compiled
def _within(counts, low, high):
    """How many of each step's rows lie in [low, high)."""
    return np.minimum(np.maximum(counts - low, 0), high - low)


@_compiled
def forward_blocks(
    current, potentials, outputs, alpha, beta, theta, v, y, u_last, starts, counts, low, high, block,
    kind, related, soft, v_reset, levels,
):  # fmt: skip
    """``forward`` without feedback for sequences low to high, a block at a time: its state stays in cache."""
    none = v[:0]
    for a in range(low, high, block):
        b = min(a + block, high)
        forward(
            0, current, potentials, outputs, none, none, alpha, beta, theta, v[a:b], y[a:b], u_last[a:b],
            starts + a, _within(counts, a, b), 0, kind, related, soft, v_reset, levels,
        )  # fmt: skip


@_compiled
def backward_blocks(
    potentials, alpha, beta, theta, to_output, to_u, back_y, back_v, delta, starts, counts, low, high, block,
    kind, related, soft, v_reset, levels, surrogate, width, detach, learn, sums,
):  # fmt: skip
    """``backward``, likewise."""
    none = to_u[:0]
    for a in range(low, high, block):
        b = min(a + block, high)
        backward(
            0, potentials, none, alpha, beta, theta, to_output, to_u[a:b], back_y[a:b], back_v[a:b], delta,
            none, starts + a, _within(counts, a, b), 0, 0, kind, related, soft, v_reset, levels, surrogate,
            width, detach, learn, sums,
        )  # fmt: skip


@_compiled
def _open(g, signed):
    """The gate of a row, in place."""
    one = g.dtype.type(1)
    if signed:
        for h in range(g.size):
            g[h] = tanh(g[h])
    else:
        for h in range(g.size):
            g[h] = one / (one + exp(-g[h]))


@_compiled
def gated_forward(
    blas, both, potentials, outputs, weight, by_input, beta, theta, r, y, u_last, starts, counts,
    signed, normalize, kind, related, soft, v_reset, levels,
):  # fmt: skip
    """Runs a gated neuron over all steps; rows of ``both`` are input currents [C, g], then [C, a].

    r, y are the state, in and out: the membrane after its reset, and the output.
    """
    hidden = outputs.shape[1]
    one = theta.dtype.type(1)
    s, x, ones, none = np.empty_like(theta), np.empty_like(theta), np.ones_like(theta), np.zeros_like(theta)
    even = counts.min() == counts.max()
    for step in range(starts.size):
        start, rows = starts[step], counts[step]
        if rows == 0:
            continue
        read = outputs[starts[step - 1] : starts[step - 1] + rows] if even and step > 0 else y[:rows]
        _add_product(blas, weight, by_input, kind == SPIKE, read, rows, both[start : start + rows])
        alive = counts[step + 1] if step + 1 < starts.size else 0
        for n in range(rows):
            c, a = both[start + n, :hidden], both[start + n, hidden:]
            u, kept, out = potentials[start + n], r[n], outputs[start + n]
            _open(a, signed)
            if normalize:
                for h in range(hidden):
                    u[h] = a[h] * kept[h] + (one - a[h]) * c[h] + beta[h]
            else:
                for h in range(hidden):
                    u[h] = a[h] * kept[h] + c[h] + beta[h]
            _count(u, theta, levels, s)
            _kept(u, s, ones, none, theta, soft, v_reset, kept)
            if kind == SPIKE:
                _copy(out, s)
            elif related:
                for h in range(hidden):
                    x[h] = u[h] - theta[h]
                _activate(x, kind, out)
            else:
                _activate(u, kind, out)
            if n >= alive:
                _copy(u_last[n], u)
            if n >= alive or not even:
                _copy(y[n], out)


@_compiled
def gated_backward(
    blas, both, potentials, weight, theta, r0, to_output, to_u, back_y, back_r, delta, previous, starts,
    counts, signed, normalize, kind, related, soft, v_reset, levels, surrogate, width, detach, learn, sums,
):  # fmt: skip
    """Runs backwards, as ``backward``: ``delta`` has the rows [dL/dC, dL/dg] of all steps.

    back_r has the gradient of R_0 at the end; ``sums`` gathers those of theta and beta.
    """
    hidden = potentials.shape[1]
    real = theta.dtype.type
    one, zero = real(1), real(0)
    s, x, d, dk, a, g, before = (
        np.empty_like(theta), np.empty_like(theta), np.empty_like(theta), np.empty_like(theta),
        np.empty_like(theta), np.empty_like(theta), np.empty_like(theta),
    )  # fmt: skip
    ones, none = np.ones_like(theta), np.zeros_like(theta)
    step_sums = np.zeros((2, hidden), theta.dtype)
    given = to_output.shape[0] > 0
    learns_theta, learns_beta = learn & 2 != 0, learn & 4 != 0
    seen = 0
    for step in range(starts.size - 1, -1, -1):
        start, rows = starts[step], counts[step]
        for n in range(rows):
            u, y, gy, gr = potentials[start + n], previous[start + n], back_y[n], back_r[n]
            _count(u, theta, levels, s)
            if kind == SPIKE or not detach:
                _spike_slopes(u, theta, levels, surrogate, width, learns_theta, d, dk, a)
            if given:
                _add(gy, gy, to_output[start + n])
            if kind == SPIKE:
                _copy(a, d)
                _copy(y, s)
            elif related:
                for h in range(hidden):
                    x[h] = u[h] - theta[h]
                _activate(x, kind, y)
                _slope(x, y, kind, a)
            else:
                _activate(u, kind, y)
                _slope(u, y, kind, a)
            _to_potential(u, s, d, a, gy, gr, ones, theta, soft, v_reset, detach, g)
            if n >= seen:
                _add(g, g, to_u[n])
            if learns_theta:
                _to_threshold(
                    u, s, dk, a, gy, gr, ones, theta, kind, related, soft, v_reset, detach, step_sums[0]
                )
            if learns_beta:
                _add(step_sums[1], step_sums[1], g)
            # R of the step before, of which the gate kept a part
            if step > 0 and n < counts[step - 1]:
                old = potentials[starts[step - 1] + n]
                _count(old, theta, levels, s)
                _kept(old, s, ones, none, theta, soft, v_reset, before)
            else:
                _copy(before, r0[n])
            c, gate = both[start + n, :hidden], both[start + n, hidden:]
            to_c, to_g = delta[start + n, :hidden], delta[start + n, hidden:]
            if normalize:
                for h in range(hidden):
                    to_c[h] = g[h] * (one - gate[h])
                    to_g[h] = g[h] * (before[h] - c[h])
            else:
                for h in range(hidden):
                    to_c[h] = g[h]
                    to_g[h] = g[h] * before[h]
            if signed:
                for h in range(hidden):
                    to_g[h] *= one - gate[h] * gate[h]
            else:
                for h in range(hidden):
                    to_g[h] *= gate[h] * (one - gate[h])
            for h in range(hidden):
                gr[h] = g[h] * gate[h]
        if learn != 0:
            for i in range(2):
                for h in range(hidden):
                    sums[i, h] += step_sums[i, h]
                    step_sums[i, h] = zero
        seen = max(seen, rows)
        if rows > 0:
            gemm(
                blas, 0, hidden, rows, 2 * hidden, weight.ctypes.data, hidden,
                delta[start:].ctypes.data, 2 * hidden, zero, back_y.ctypes.data, hidden,
            )  # fmt: skip
