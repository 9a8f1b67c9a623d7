"""Elementary functions, activations and surrogate gradients as vector code.

In float32 as exact as float32 is; nothing is called per number but ``erf``.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir

from liafseq.ops.cpu.emit import Dual, Value, where

__all__ = ["ACTIVATIONS", "SURROGATES", "activate", "exp", "spike", "tanh"]

_LOG2E = 1 / math.log(2)
# ln 2 in two parts, the first of few digits
_LN2 = {32: (0.693359375, -2.12194440e-4), 64: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}
_BIAS = {32: 127, 64: 1023}
_MANTISSA = {32: 23, 64: 52}
_DEGREE = {32: 7, 64: 13}
_RANGE = {32: (-87.0, 88.0), 64: (-708.0, 709.0)}
_SATURATED = {32: 10.0, 64: 20.0}


def _clamp(x: Value, low: float, high: float) -> Value:
    """Not a number stays so."""
    x = where(x.compare("<", low), low, x)
    return where(x.compare(">", high), high, x)


def _reduced(x: Value) -> tuple[Value, Value]:
    """2^n and exp(r) - 1 with x = n ln 2 + r, |r| <= ln 2 / 2: Taylor's series."""
    b, bits = x.builder, x.builder.bits
    mantissa = _MANTISSA[bits]
    # adding 1.5 * 2^mantissa rounds to a whole number, which then is in the lowest bits
    magic = 1.5 * 2.0**mantissa
    shifted = b.fma(x, b.constant(_LOG2E), b.constant(magic))
    n = shifted - magic
    high, low = _LN2[bits]
    r = b.fma(n, b.constant(-low), b.fma(n, b.constant(-high), x))
    q = b.constant(1 / math.factorial(_DEGREE[bits]))
    for i in range(_DEGREE[bits] - 1, 1, -1):
        q = b.fma(q, r, b.constant(1 / math.factorial(i)))
    q = b.fma(q, r * r, r)
    whole = b.wide(ir.IntType(bits))

    def integer(number: int) -> Any:
        return ir.Constant(whole, [number] * b.lanes if b.lanes > 1 else number)

    power = b.ir.shl(b.ir.bitcast(shifted.ir, whole), integer(mantissa))
    power = b.ir.add(power, integer(_BIAS[bits] << mantissa))
    return Value(b, b.ir.bitcast(power, b.kind)), q


def exp(x: Value) -> Value:
    scale, q = _reduced(_clamp(x, *_RANGE[x.builder.bits]))
    return scale * q + scale


def expm1(x: Value) -> Value:
    scale, q = _reduced(_clamp(x, *_RANGE[x.builder.bits]))
    return scale * q + (scale - 1.0)


def tanh(x: Value) -> Value:
    """e / (e + 2), e = exp(2x) - 1."""
    limit = _SATURATED[x.builder.bits]
    e = expm1(_clamp(x, -limit, limit) * 2.0)
    return e / (e + 2.0)


def sigmoid(x: Value) -> Value:
    return 1.0 / (exp(-x) + 1.0)


def softplus(x: Value) -> Value:
    """max(x, 0) + log(1 + z), z = exp(-|x|); the logarithm is 2 artanh(z / (2 + z)), a series."""
    z = exp(-x.abs())
    s = z / (z + 2.0)
    square = s * s
    terms = 8 if x.builder.bits == 32 else 17
    q = x.builder.constant(1 / (2 * terms + 1))
    for k in range(terms - 1, -1, -1):
        q = q * square + 1 / (2 * k + 1)
    return where(x.compare("<", 0.0), 0.0, x) + s * q * 2.0


@cache
def erf_address(bits: int) -> int:
    """The C library's, 0 where there is none."""
    try:
        function = getattr(ctypes.CDLL(None), "erff" if bits == 32 else "erf")
    except (AttributeError, OSError, TypeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def erf(x: Value) -> Value:
    b = x.builder
    kind = ir.FunctionType(b.real, [b.real])
    function = b.ir.inttoptr(b.index(erf_address(b.bits)), kind.as_pointer())
    return b.each_lane(function, x)


Pair = tuple[Value, Value | float]
"""f(x) and f'(x); LLVM drops what is not used."""


def _tanh(x: Value) -> Pair:
    y = tanh(x)
    return y, 1.0 - y * y


def _sigmoid(x: Value) -> Pair:
    y = sigmoid(x)
    return y, y * (1.0 - y)


def _relu(x: Value) -> Pair:
    return where(x.compare("<=", 0.0), 0.0, x), where(x.compare(">", 0.0), 1.0, 0.0, x.builder)


def _clipped(low: float, high: float) -> Callable[[Value], Pair]:
    def clip(x: Value) -> Pair:
        inside = x.builder.ir.and_(x.compare(">", low), x.compare("<", high))
        return _clamp(x, low, high), where(inside, 1.0, 0.0, x.builder)

    return clip


def _leaky_relu(x: Value) -> Pair:
    positive = x.compare(">", 0.0)
    return where(positive, x, x * 0.01), where(positive, 1.0, 0.01, x.builder)


def _elu(x: Value) -> Pair:
    positive, y = x.compare(">", 0.0), expm1(where(x.compare(">", 0.0), 0.0, x))
    return where(positive, x, y), where(positive, 1.0, y + 1.0)


_SELU_A, _SELU_L = 1.6732632423543772, 1.0507009873554805


def _selu(x: Value) -> Pair:
    positive, y = x.compare(">", 0.0), expm1(where(x.compare(">", 0.0), 0.0, x)) * (_SELU_A * _SELU_L)
    return where(positive, x * _SELU_L, y), where(positive, _SELU_L, y + _SELU_A * _SELU_L)


def _silu(x: Value) -> Pair:
    g = sigmoid(x)
    return x * g, g * (x * (1.0 - g) + 1.0)


def _softsign(x: Value) -> Pair:
    g = 1.0 / (x.abs() + 1.0)
    return x * g, g * g


def _hardsigmoid(x: Value) -> Pair:
    # torch's derivative is this number in double precision, too
    sixth = 0.1666666716337204
    y, inside = _clipped(-3.0, 3.0)(x)
    return (y + 3.0) / 6.0, inside * sixth


def _softplus(x: Value) -> Pair:
    # as torch has it: beyond 20 it is x itself
    large = x.compare(">", 20.0)
    return where(large, x, softplus(x)), where(large, 1.0, sigmoid(x))


def _gelu(x: Value) -> Pair:
    below = (erf(x * math.sqrt(0.5)) + 1.0) * 0.5
    density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
    return x * below, below + x * density


def _mish(x: Value) -> Pair:
    """x t with t = tanh(softplus(x)), in which logarithm and exponential cancel."""
    e = exp(where(x.compare(">", 20.0), 20.0, x))
    n = e * (e + 2.0)
    t = n / (n + 2.0)
    return x * t, t + x * (1.0 - t * t) * sigmoid(x)


ACTIVATIONS: dict[str, Callable[[Value], Pair]] = {
    "identity": lambda x: (x, 1.0),
    "relu": _relu,
    "relu6": _clipped(0.0, 6.0),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "celu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": _tanh,
    "hardtanh": _clipped(-1.0, 1.0),
    "sigmoid": _sigmoid,
    "hardsigmoid": _hardsigmoid,
}
"""Those of ``liafseq.neurons`` with a compiled version."""


def _rectangular(x: Value, w: float) -> Value:
    return where(x.abs().compare("<", w / 2), 1 / w, 0.0, x.builder)


def _triangular(x: Value, w: float) -> Value:
    z = 1.0 - x.abs() / w
    return where(z.compare("<", 0.0), 0.0, z) / w


def _gaussian(x: Value, w: float) -> Value:
    z = x / w
    return exp(z * z * -0.5) * (1 / (w * math.sqrt(2 * math.pi)))


def _logistic(x: Value, w: float) -> Value:
    s = sigmoid(x / w)
    return s * (1.0 - s) / w


def _arctan(x: Value, w: float) -> Value:
    z = x * (math.pi / w)
    return 1.0 / ((z * z + 1.0) * w)


SURROGATES: dict[str, Callable[[Value, float], Value]] = {
    "rectangular": _rectangular,
    "triangular": _triangular,
    "gaussian": _gaussian,
    "sigmoid": _logistic,
    "arctan": _arctan,
}
"""Those of ``liafseq.surrogate`` with a compiled version."""


def spike(x: Any, kind: str, width: float) -> Any:
    """``surrogate.spike`` of values and duals."""
    value, _ = Dual.of(x)
    return x.map(value.step(), SURROGATES[kind](value, width)) if isinstance(x, Dual) else value.step()


def activate(x: Any, name: str) -> Any:
    """``neurons.activate`` of values and duals."""
    value, _ = Dual.of(x)
    y, slope = ACTIVATIONS[name](value)
    return x.map(y, slope) if isinstance(x, Dual) else y


def serves(activation: str | None, surrogate: str) -> bool:
    """Whether these have a compiled version, for both precisions."""
    if activation == "gelu" and not (erf_address(32) and erf_address(64)):
        return False
    return (activation is None or activation in ACTIVATIONS) and surrogate in SURROGATES
