"""From vector code to a function that can be called: LLVM for this machine's processor."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

__all__ = ["compiled", "vector_bits"]


@cache
def vector_bits() -> int:
    """Of a vector register of this machine: AVX-512, AVX2, or what has 128 bits (NEON, SSE)."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 512
    return 256 if features.get("avx2") and features.get("fma") else 128


_lock = threading.Lock()


@cache
def _target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, jit=True)


_kept: list[Any] = []


def compiled(module: ir.Module, *names: str) -> tuple[int, ...]:
    """The addresses of functions of a module, compiled; they stay for the life of the process."""
    with _lock:
        machine = _target()
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        parsed = llvm.parse_assembly(str(module))
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(parsed, builder)
        engine = llvm.create_mcjit_compiler(parsed, machine)
        engine.finalize_object()
        _kept.append(engine)
        return tuple(int(engine.get_function_address(name)) for name in names)
