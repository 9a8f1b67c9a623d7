"""The compiled time loops: the whole recurrence, products included, in one call.

Choices of the neuron are numbers, tested once a row, so that every inner loop is plain and
vectorises; one kernel serves all neurons. ``liafseq/neurons.py`` is what they must agree with.
Rows of a step lie together in packed order; ``starts`` and ``counts`` give each step's rows in
the order in which the steps run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from liafseq.ops._numba import exp, gemm, tanh

__all__ = ["ACTIVATION", "FEEDBACK", "SURROGATE", "backward", "backward_blocks", "forward", "forward_blocks"]

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
    hidden = weight.shape[0]
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
                        for h in range(hidden):
                            row[h] += spike * column[h]
            return
    gemm(
        blas, 1, hidden, counts, hidden, weight.ctypes.data, hidden, r.ctypes.data, hidden,
        r.dtype.type(1), u.ctypes.data, hidden,
    )  # fmt: skip


@_compiled
def forward(
    blas, current, potentials, outputs, weight, by_input, alpha, beta, theta, v, y, u_last, starts, counts,
    feedback, kind, related, soft, v_reset, levels,
):  # fmt: skip
    """Runs over all steps: v, y are the state, in and out.

    Without rows of ``current``, ``potentials`` holds the currents at first. With them, which is for no
    feedback, ``potentials`` may have no rows: then they are not kept.
    """
    hidden = theta.size
    s, x = np.empty_like(theta), np.empty_like(theta)
    sparse = kind == SPIKE and feedback == 1
    given, keep = current.shape[0] > 0, potentials.shape[0] > 0
    scratch = np.empty_like(theta)
    for step in range(starts.size):
        start, rows = starts[step], counts[step]
        if rows == 0:
            continue
        now = potentials[start : start + rows]
        if feedback != 2 and not given:
            for n in range(rows):
                to, kept = now[n], v[n]
                for h in range(hidden):
                    to[h] += kept[h]
        if feedback != 0:
            _add_product(blas, weight, by_input, sparse, y if feedback == 1 else v, rows, now)
        for n in range(rows):
            u = now[n] if keep else scratch
            if given:
                _add(u, current[start + n], v[n])
            _count(u, theta, levels, s)
            _kept(u, s, alpha, beta, theta, soft, v_reset, v[n])
            out = outputs[start + n]
            if kind == SPIKE:
                _copy(out, s)
            elif related:
                for h in range(hidden):
                    x[h] = u[h] - theta[h]
                _activate(x, kind, out)
            else:
                _activate(u, kind, out)
            last = step + 1 == starts.size or n >= counts[step + 1]
            if last:
                _copy(u_last[n], u)
            if last or feedback == 1:
                _copy(y[n], out)


@_compiled
def backward(
    blas, potentials, weight, alpha, beta, theta, to_output, to_u, back_y, back_v, delta, previous,
    starts, counts, feedback, kind, related, soft, v_reset, levels, surrogate, width, detach, learn, sums,
):  # fmt: skip
    """Runs backwards: ``delta`` = dL/du of all steps, ``previous`` = what W_hh read from each step.

    ``to_output`` (no rows: zero) and ``to_u`` are the gradients that arrive at outputs and last
    potentials; back_y and back_v hold that of the last y at first and those of y_0 (with feedback of
    y only) and v_0 at the end. ``sums`` (3, H), in double precision, gathers the gradients of alpha,
    theta and beta.
    """
    hidden = potentials.shape[1]
    real = theta.dtype.type
    one, zero = real(1), real(0)
    s, x, y, v, d, dk, a = (
        np.empty_like(theta), np.empty_like(theta), np.empty_like(theta), np.empty_like(theta),
        np.empty_like(theta), np.empty_like(theta), np.empty_like(theta),
    )  # fmt: skip
    step_sums = np.zeros((3, hidden), theta.dtype)
    of_alpha, of_theta, of_beta = step_sums[0], step_sums[1], step_sums[2]
    none = np.zeros_like(theta)
    given = to_output.shape[0] > 0
    spike_slope = kind == SPIKE or not detach
    seen = 0
    for step in range(starts.size - 1, -1, -1):
        start, rows = starts[step], counts[step]
        for n in range(rows):
            u, g = potentials[start + n], delta[start + n]
            gv = back_v[n]
            _count(u, theta, levels, s)
            # d = ds/du, dk = -ds/dtheta: the k-th threshold moves k times as fast
            if spike_slope:
                _surrogate(u, theta, one, surrogate, width, d)
                _copy(dk, d)
                for k in range(2, levels + 1):
                    _surrogate(u, theta, real(k), surrogate, width, a)
                    for h in range(hidden):
                        d[h] += a[h]
                        dk[h] += real(k) * a[h]
            # without feedback of y nothing comes to it from the future
            gy = back_y[n]
            if feedback != 1 and n < seen:
                gy = to_output[start + n] if given else none
            elif given:
                arrived = to_output[start + n]
                for h in range(hidden):
                    gy[h] += arrived[h]
            if kind == SPIKE:
                _copy(a, d)
                if feedback == 1:
                    _copy(y, s)
            elif related:
                for h in range(hidden):
                    x[h] = u[h] - theta[h]
                _activate(x, kind, y)
                _slope(x, y, kind, a)
            else:
                _activate(u, kind, y)
                _slope(u, y, kind, a)
            # g = dL/du by way of y and of v
            if detach:
                if soft:
                    for h in range(hidden):
                        g[h] = gy[h] * a[h] + gv[h] * alpha[h]
                else:
                    for h in range(hidden):
                        g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - s[h])
            elif soft:
                for h in range(hidden):
                    g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - theta[h] * d[h])
            else:
                for h in range(hidden):
                    g[h] = gy[h] * a[h] + gv[h] * alpha[h] * (one - s[h] + (v_reset - u[h]) * d[h])
            if n >= seen:
                arrived = to_u[n]
                for h in range(hidden):
                    g[h] += arrived[h]
            if learn:
                if kind == SPIKE:
                    for h in range(hidden):
                        of_theta[h] -= gy[h] * dk[h]
                elif related:
                    for h in range(hidden):
                        of_theta[h] -= gy[h] * a[h]
                if soft:
                    for h in range(hidden):
                        of_alpha[h] += gv[h] * (u[h] - theta[h] * s[h])
                        of_theta[h] -= gv[h] * alpha[h] * s[h]
                else:
                    for h in range(hidden):
                        of_alpha[h] += gv[h] * (u[h] * (one - s[h]) + v_reset * s[h])
                if not detach:
                    if soft:
                        for h in range(hidden):
                            of_theta[h] += gv[h] * alpha[h] * theta[h] * dk[h]
                    else:
                        for h in range(hidden):
                            of_theta[h] -= gv[h] * alpha[h] * (v_reset - u[h]) * dk[h]
                for h in range(hidden):
                    of_beta[h] += gv[h]
            if feedback == 1:
                _copy(previous[start + n], y)
            elif feedback == 2:
                _kept(u, s, alpha, beta, theta, soft, v_reset, v)
                _copy(previous[start + n], v)
            if feedback != 2:
                _copy(gv, g)
        if learn:
            for i in range(3):
                for h in range(hidden):
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
            none, starts + a, _within(counts, a, b), 0, kind, related, soft, v_reset, levels, surrogate,
            width, detach, learn, sums,
        )  # fmt: skip
