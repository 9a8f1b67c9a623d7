"""torch's own BLAS, by address: products are as fast as torch's, and nothing else is needed."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import torch

__all__ = ["can_limit_blas_threads", "gemm_address", "limit_blas_threads"]


@cache
def _library() -> ctypes.CDLL | None:
    """torch's own library, where its BLAS lives; None where it is not one file of that name."""
    path = os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so")  # noqa: PTH118, PTH120
    try:
        return ctypes.CDLL(path)
    except OSError:
        return None


@cache
def gemm_address(dtype: torch.dtype) -> int:
    """Where ``sgemm`` or ``dgemm`` (Fortran interface, 32-bit sizes) begins; 0 where there is none.

    torch's is taken, so that products are as fast and as threaded as torch's own.
    """
    name = {torch.float32: "sgemm_", torch.float64: "dgemm_"}[dtype]
    function = getattr(_library(), name, None)
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0


@cache
def _limiter() -> Any:
    return getattr(_library(), "mkl_serv_set_num_threads_local", None)


def can_limit_blas_threads() -> bool:
    """Whether torch's BLAS can be told, for one thread, to be single-threaded."""
    return _limiter() is not None


def limit_blas_threads() -> None:
    """One BLAS thread for the products of the calling thread."""
    _limiter()(ctypes.c_int(1))
