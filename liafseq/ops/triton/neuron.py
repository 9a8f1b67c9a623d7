"""The neuron of ``liafseq.neurons`` and ``liafseq.surrogate`` in Triton, with its derivatives.

Imported only once Triton is known to be there. The whole ``Neuron`` is one compile-time constant: of each
function below one branch is compiled. Exponentials take no positive argument, so that nothing overflows;
where 1 is taken from something near 1 there is a series, so that small signals keep their digits; NaN
travels on.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["activate", "advance", "integrate", "sensitivity", "shares"]


@triton.jit
def _expm1_below(x):
    """exp(min(x, 0)) - 1 to the last digits: near 0 its Taylor series."""
    x = tl.where(x > 0, 0.0, x)
    terms: tl.constexpr = 14 if x.dtype == tl.float64 else 8
    series = x * 0.0 + 1.0
    for k in tl.static_range(terms - 2):
        series = 1.0 + series * x * (1.0 / (terms - 1 - k))
    return tl.where(x > -0.35, series * x, tl.exp(x) - 1.0)


@triton.jit
def _log1p_of_unit(e):
    """log(1 + e) for e from 0 to 1: 2 artanh(e / (2 + e)), a series in at most 1/9."""
    terms: tl.constexpr = 16 if e.dtype == tl.float64 else 8
    z = e / (2.0 + e)
    q = z * z
    series = q * 0.0 + 1.0 / (2 * terms - 1)
    for k in tl.static_range(terms - 1):
        series = series * q + 1.0 / (2 * (terms - 1 - k) - 1)
    return 2.0 * z * series


@triton.jit
def _exp_below(x):
    """exp(min(x, 0))."""
    return tl.exp(tl.where(x > 0, 0.0, x))


@triton.jit
def _sigmoid(x):
    e = tl.exp(-tl.abs(x))
    return tl.where(x > 0, 1.0, e) / (1.0 + e)


@triton.jit
def _tanh(x):
    m = _expm1_below(-2.0 * tl.abs(x))
    y = m / (2.0 + m)
    return tl.where(x < 0, y, -y)


@triton.jit
def _tanh_softplus(x):
    """tanh(log(1 + exp(x))), in which logarithm and exponential cancel."""
    e = tl.exp(tl.where(x > 20, 20.0, x))
    n = e * (e + 2.0)
    return n / (n + 2.0)


@triton.jit
def activate(z, ACTIVATION: tl.constexpr):
    """f(z) and f'(z), elementwise."""
    one = z * 0.0 + 1.0
    if ACTIVATION == "identity":
        f, d = z, one
    elif ACTIVATION == "relu":
        f, d = tl.where(z < 0, 0.0, z), tl.where(z > 0, one, 0.0)
    elif ACTIVATION == "relu6":
        f = tl.where(z < 0, 0.0, tl.where(z > 6, 6.0, z))
        d = tl.where((z > 0) & (z < 6), one, 0.0)
    elif ACTIVATION == "leaky_relu":
        f, d = tl.where(z > 0, z, 0.01 * z), tl.where(z > 0, one, 0.01)
    elif ACTIVATION == "elu" or ACTIVATION == "celu":
        f, d = tl.where(z > 0, z, _expm1_below(z)), tl.where(z > 0, one, _exp_below(z))
    elif ACTIVATION == "selu":
        scale: tl.constexpr = 1.0507009873554804934193349852946
        slope: tl.constexpr = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
        f = tl.where(z > 0, scale * z, slope * _expm1_below(z))
        d = tl.where(z > 0, one * scale, slope * _exp_below(z))
    elif ACTIVATION == "gelu":
        below = 0.5 * (1.0 + tl.erf(z * 0.70710678118654752440))
        f, d = z * below, below + z * 0.39894228040143267794 * tl.exp(-0.5 * z * z)
    elif ACTIVATION == "silu":
        s = _sigmoid(z)
        f, d = z * s, s * (1.0 + z * (1.0 - s))
    elif ACTIVATION == "mish":
        t = _tanh_softplus(z)
        f, d = z * t, t + z * (1.0 - t * t) * _sigmoid(z)
    elif ACTIVATION == "softplus":
        rest = _log1p_of_unit(tl.exp(-tl.abs(z)))
        f = tl.where(z > 20, z, tl.where(z > 0, z, 0.0) + rest)
        d = tl.where(z > 20, one, _sigmoid(z))
    elif ACTIVATION == "softsign":
        q = 1.0 / (1.0 + tl.abs(z))
        f, d = z * q, q * q
    elif ACTIVATION == "tanh":
        f = _tanh(z)
        d = 1.0 - f * f
    elif ACTIVATION == "hardtanh":
        f = tl.where(z < -1, -1.0, tl.where(z > 1, 1.0, z))
        d = tl.where((z > -1) & (z < 1), one, 0.0)
    elif ACTIVATION == "sigmoid":
        f = _sigmoid(z)
        d = f * (1.0 - f)
    else:
        tl.static_assert(ACTIVATION == "hardsigmoid", "activation without a kernel")
        f = tl.where(z < -3, 0.0, tl.where(z > 3, 6.0, z + 3.0)) / 6.0
        d = tl.where((z > -3) & (z < 3), one / 6.0, 0.0)
    return f, d


@triton.jit
def _surrogate(x, NEURON: tl.constexpr):
    """h(x), the surrogate derivative of the spike."""
    width: tl.constexpr = NEURON.surrogate_width * 1.0
    if NEURON.surrogate == "rectangular":
        h = tl.where(tl.abs(x) < width / 2, 1.0 / width, x * 0.0)
    elif NEURON.surrogate == "triangular":
        rise = 1.0 - tl.abs(x) / width
        h = tl.where(rise < 0, 0.0, rise) / width
    elif NEURON.surrogate == "gaussian":
        q = x / width
        h = tl.exp(-0.5 * q * q) * (0.39894228040143267794 / width)
    elif NEURON.surrogate == "sigmoid":
        s = _sigmoid(x / width)
        h = s * (1.0 - s) / width
    else:
        tl.static_assert(NEURON.surrogate == "arctan", "surrogate without a kernel")
        q = x * (3.14159265358979323846 / width)
        h = 1.0 / (width * (1.0 + q * q))
    return h


@triton.jit
def _crossed(u, level):
    """H(u - level), NaN where u is; the comparison cannot be contracted with the level's product."""
    return tl.where(u >= level, u * 0.0 + 1.0, tl.where(u < level, 0.0, float("nan")))


@triton.jit
def _spikes(u, theta, NEURON: tl.constexpr):
    s = _crossed(u, theta)
    for k in tl.static_range(2, NEURON.levels + 1):
        s += _crossed(u, k * theta)
    return s


@triton.jit
def _reset(u, s, theta, NEURON: tl.constexpr):
    """R."""
    if NEURON.reset == "none":
        return u
    return u - theta * s if NEURON.reset == "soft" else u * (1.0 - s) + NEURON.v_reset * s


@triton.jit
def advance(u, alpha, theta, beta, NEURON: tl.constexpr):
    """y and v of ``liafseq.neurons.advance``; alpha and beta are not read with a gate."""
    s = _spikes(u, theta, NEURON)
    v = _reset(u, s, theta, NEURON)
    if NEURON.gate is None:
        v = alpha * v + beta
    if NEURON.analog:
        y, _ = activate(u - theta if NEURON.threshold_related else u, NEURON.activation)
    else:
        y = s
    return y, v


@triton.jit
def sensitivity(u, alpha, theta, NEURON: tl.constexpr):
    """R, and the derivatives dy/du, dv/du, dy/dtheta, dv/dtheta; dv/dalpha is R, dv/dbeta 1."""
    s = _spikes(u, theta, NEURON)
    # ds/du = h and ds/dtheta = -hk, over all levels
    h = _surrogate(u - theta, NEURON)
    hk = h
    for k in tl.static_range(2, NEURON.levels + 1):
        level = _surrogate(u - k * theta, NEURON)
        h += level
        hk += k * level
    r = _reset(u, s, theta, NEURON)
    if NEURON.reset == "none":
        dr_du = u * 0.0 + 1.0
        dr_dtheta = u * 0.0
        jump = u * 0.0
    elif NEURON.reset == "soft":
        dr_du = u * 0.0 + 1.0
        dr_dtheta = -s
        jump = -theta
    else:
        dr_du = 1.0 - s
        dr_dtheta = u * 0.0
        jump = NEURON.v_reset - u
    if not NEURON.detach_reset:
        dr_du += jump * h
        dr_dtheta -= jump * hk
    if NEURON.analog:
        _, dy_du = activate(u - theta if NEURON.threshold_related else u, NEURON.activation)
        dy_dtheta = -dy_du if NEURON.threshold_related else u * 0.0
    else:
        dy_du, dy_dtheta = h, -hk
    if NEURON.gate is None:
        dr_du *= alpha
        dr_dtheta *= alpha
    return r, dy_du, dr_du, dy_dtheta, dr_dtheta


@triton.jit
def integrate(v, own, gate, beta, NEURON: tl.constexpr):
    """u of a gated neuron."""
    a, _ = activate(gate, NEURON.gate)
    return a * v + ((1.0 - a) * own if NEURON.normalize else own) + beta


@triton.jit
def shares(v, own, gate, NEURON: tl.constexpr):
    """du/dv = a and du/dg of a gated neuron; du/dI is 1, or 1 - a."""
    a, slope = activate(gate, NEURON.gate)
    return a, slope * (v - own if NEURON.normalize else v)
