"""What the compiled kernels are made of: products, and elementary functions that vectorise."""

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = ["exp", "gemm", "tanh"]


@intrinsic
def gemm(_context, address, transposed, m, n, k, a, lda, b, ldb, beta, c, ldc):  # noqa: ARG001 - typed by name
    """C (m x n) = op(A) B + beta C, column-major, op(A) = A^T where ``transposed``; pointers as integers."""
    size = types.intp
    signature = types.void(size, size, size, size, size, size, size, size, size, beta, size, size)

    def generate(context, builder, sig, args):
        address, transposed, m, n, k, a, lda, b, ldb, beta, c, ldc = args
        real = context.get_value_type(sig.args[9])
        pointer, i32, i8 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(8)

        def place(value, kind):
            slot = cgutils.alloca_once(builder, kind)
            builder.store(value, slot)
            return builder.bitcast(slot, pointer)

        def integer(value):
            return place(builder.trunc(value, i32), i32)

        letter = builder.select(
            builder.icmp_signed("!=", transposed, ir.Constant(transposed.type, 0)),
            ir.Constant(i8, ord("T")),
            ir.Constant(i8, ord("N")),
        )
        kind = ir.FunctionType(ir.VoidType(), [pointer] * 13)
        function = builder.inttoptr(address, kind.as_pointer())
        one = place(ir.Constant(real, 1.0), real)
        arguments = [
            place(letter, i8), place(ir.Constant(i8, ord("N")), i8), integer(m), integer(n), integer(k), one,
            builder.inttoptr(a, pointer), integer(lda), builder.inttoptr(b, pointer), integer(ldb),
            place(beta, real), builder.inttoptr(c, pointer), integer(ldc),
        ]  # fmt: skip
        builder.call(function, arguments)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _as_float(_context, bits):  # noqa: ARG001 - typed by name
    def generate(_context, builder, _sig, args):
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), generate


_LOG2E, _LN2_HIGH, _LN2_LOW = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.12194440e-4)
# adding and taking away 1.5 * 2^23 rounds to the nearest whole number, without a call
_ROUND = np.float32(1.5 * 2**23)
_C = [np.float32(1 / math.factorial(i)) for i in range(8)]
_C2, _C3, _C4, _C5, _C6, _C7 = _C[2:]


@njit(inline="always")
def _reduced(x):
    """2^n and exp(r) - 1 with x = n ln 2 + r, |r| <= ln 2 / 2: Taylor's series to degree 7."""
    n = (x * _LOG2E + _ROUND) - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    q = _C7
    q = q * r + _C6
    q = q * r + _C5
    q = q * r + _C4
    q = q * r + _C3
    q = q * r + _C2
    q = q * (r * r) + r
    return _as_float((np.int32(n) + np.int32(127)) << np.int32(23)), q


def exp(x):
    """exp(x); in float32 without a call, so that loops of it vectorise."""
    return math.exp(x)


def tanh(x):
    """tanh(x) = e / (e + 2), e = exp(2x) - 1; in float32 without a call."""
    return math.tanh(x)


@overload(exp, inline="always")
def _exp(x):
    if x != types.float32:
        return lambda x: math.exp(x)

    def single(x):
        scale, q = _reduced(min(max(x, np.float32(-87.0)), np.float32(88.0)))
        return scale * q + scale

    return single


@overload(tanh, inline="always")
def _tanh(x):
    if x != types.float32:
        return lambda x: math.tanh(x)

    def single(x):
        scale, q = _reduced(np.float32(2.0) * min(max(x, np.float32(-10.0)), np.float32(10.0)))
        e = scale * q + (scale - np.float32(1.0))
        return e / (e + np.float32(2.0))

    return single
