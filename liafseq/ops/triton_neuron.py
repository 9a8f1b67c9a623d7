"""The neuron of ``liafseq.neurons`` and ``liafseq.surrogate`` in Triton, with its derivatives.

Only ``liafseq.ops.triton`` imports this module, and only once Triton is known to be there. The
choices of ``Neuron`` are compile-time constants: of each function below one branch is compiled.
Exponentials take no positive argument, so that nothing overflows; NaN travels on.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["SERVED_ACTIVATIONS", "SERVED_SURROGATES", "activate", "membrane", "sensitivity"]

SERVED_SURROGATES = frozenset({"rectangular", "triangular", "gaussian", "sigmoid", "arctan"})
SERVED_ACTIVATIONS = frozenset(
    {"identity", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish"}
    | {"softplus", "softsign", "tanh", "hardtanh", "sigmoid", "hardsigmoid"}
)


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
    e = tl.exp(-2.0 * tl.abs(x))
    y = (1.0 - e) / (1.0 + e)
    return tl.where(x < 0, -y, y)


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
        e = _exp_below(z)
        f, d = tl.where(z > 0, z, e - 1.0), tl.where(z > 0, one, e)
    elif ACTIVATION == "selu":
        scale: tl.constexpr = 1.0507009873554804934193349852946
        slope: tl.constexpr = 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
        e = _exp_below(z)
        f, d = tl.where(z > 0, scale * z, slope * (e - 1.0)), tl.where(z > 0, one * scale, slope * e)
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
        rest = tl.log(1.0 + tl.exp(-tl.abs(z)))
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
def _surrogate(x, SURROGATE: tl.constexpr, WIDTH: tl.constexpr):
    """h(x), the surrogate derivative of the spike."""
    if SURROGATE == "rectangular":
        h = tl.where(tl.abs(x) < WIDTH / 2, 1.0 / WIDTH, x * 0.0)
    elif SURROGATE == "triangular":
        rise = 1.0 - tl.abs(x) / WIDTH
        h = tl.where(rise < 0, 0.0, rise) / WIDTH
    elif SURROGATE == "gaussian":
        q = x / WIDTH
        h = tl.exp(-0.5 * q * q) * (0.39894228040143267794 / WIDTH)
    elif SURROGATE == "sigmoid":
        s = _sigmoid(x / WIDTH)
        h = s * (1.0 - s) / WIDTH
    else:
        tl.static_assert(SURROGATE == "arctan", "surrogate without a kernel")
        q = x * (3.14159265358979323846 / WIDTH)
        h = 1.0 / (WIDTH * (1.0 + q * q))
    return h


@triton.jit
def _spikes(u, theta, LEVELS: tl.constexpr):
    s = tl.where(u >= theta, u * 0.0 + 1.0, 0.0)
    for k in tl.static_range(2, LEVELS + 1):
        s += tl.where(u >= k * theta, 1.0, 0.0)
    return s


@triton.jit
def membrane(
    u,
    alpha,
    theta,
    beta,
    ANALOG: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RELATED: tl.constexpr,
    SOFT: tl.constexpr,
    V_RESET: tl.constexpr,
    LEVELS: tl.constexpr,
):
    """y and v of ``liafseq.neurons.advance``."""
    s = _spikes(u, theta, LEVELS)
    r = u - theta * s if SOFT else u * (1.0 - s) + V_RESET * s
    if ANALOG:
        y, _ = activate(u - theta if RELATED else u, ACTIVATION)
    else:
        y = s
    return y, alpha * r + beta


@triton.jit
def sensitivity(
    u,
    alpha,
    theta,
    ANALOG: tl.constexpr,
    ACTIVATION: tl.constexpr,
    RELATED: tl.constexpr,
    SOFT: tl.constexpr,
    V_RESET: tl.constexpr,
    LEVELS: tl.constexpr,
    DETACH: tl.constexpr,
    SURROGATE: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """y, R, and the derivatives dy/du, dv/du, dy/dtheta, dv/dtheta; dv/dalpha is R, dv/dbeta 1."""
    s = _spikes(u, theta, LEVELS)
    # ds/du = h and ds/dtheta = -hk, over all levels
    h = _surrogate(u - theta, SURROGATE, WIDTH)
    hk = h
    for k in tl.static_range(2, LEVELS + 1):
        level = _surrogate(u - k * theta, SURROGATE, WIDTH)
        h += level
        hk += k * level
    if SOFT:
        r = u - theta * s
        dr_du = u * 0.0 + 1.0
        dr_dtheta = -s
        jump = -theta
    else:
        r = u * (1.0 - s) + V_RESET * s
        dr_du = 1.0 - s
        dr_dtheta = u * 0.0
        jump = V_RESET - u
    if not DETACH:
        dr_du += jump * h
        dr_dtheta -= jump * hk
    if ANALOG:
        y, dy_du = activate(u - theta if RELATED else u, ACTIVATION)
        dy_dtheta = -dy_du if RELATED else u * 0.0
    else:
        y, dy_du, dy_dtheta = s, h, -hk
    return y, r, dy_du, alpha * dr_du, dy_dtheta, alpha * dr_dtheta
