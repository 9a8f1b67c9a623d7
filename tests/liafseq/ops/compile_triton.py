"""Compiles the Triton kernels for GPUs that need not be there, and checks what they use of them.

Run by ``test_triton.py`` in a process of its own, since there the kernels are interpreted.
"""

from __future__ import annotations

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from liafseq.neurons import Neuron
from liafseq.ops import triton as op

SHARED = 163 * 1024
NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
LAUNCH = {"num_warps", "num_stages", "enable_fp_fusion"}


def pointer(value, name):
    if isinstance(value, torch.Tensor):
        return "*" + {torch.int32: "i32", torch.int64: "i64", **NAMES}[value.dtype]
    return "constexpr" if value is None or value == 1 or name.isupper() else "i32"


class Compiled:
    """Stands for a kernel: compiles what would have been launched."""

    capability = 80

    def __init__(self, kernel, report):
        self.kernel, self.report = kernel, report

    def __getitem__(self, grid):
        def launch(*given, **choices):
            options = {k: choices.pop(k) for k in LAUNCH}
            values = {**dict(zip(self.kernel.arg_names, given, strict=False)), **choices}
            signature = {n: pointer(values[n], n) for n in self.kernel.arg_names}
            constants = {n: values[n] for n, kind in signature.items() if kind == "constexpr"}
            aligned = {
                (i,): [["tt.divisibility", 16]]
                for i, (n, kind) in enumerate(signature.items())
                if kind[0] == "*" or (kind == "i32" and values[n] and values[n] % 16 == 0)
            }
            source = ASTSource(self.kernel, signature, constants, aligned)
            target = GPUTarget("cuda", self.capability, 32)
            binary = triton.compile(source, target=target, options=options)
            self.report(self.kernel.__name__, values, binary.metadata.shared, binary.asm["ptx"])

        return launch


def main() -> None:
    count = 0

    def report(name, values, shared, ptx):
        nonlocal count
        count += 1
        assert shared <= SHARED, (name, values["COLS"], shared)
        halves = values["FEEDBACK"] != "none" and values["weight"].dtype != torch.float32
        assert ("mma" in ptx) == halves, f"{name}: tensor cores exactly for products in 16 bits"
        pipelined = values["FEEDBACK"] == "none"
        assert ("cp.async" in ptx) == pipelined, f"{name}: loads ahead of the element-wise scan"

    class Kernels:
        from liafseq.ops import triton_kernels as real

        forward, backward = Compiled(real.forward, report), Compiled(real.backward, report)

    op._kernels = lambda: Kernels
    op._interpreted = lambda: False
    sizes = {"dense": None, "packed": (20, 20, 3)}
    cases = [
        (torch.bfloat16, 256, "output", "dense", {}),
        (torch.bfloat16, 256, "output", "packed", {"detach_reset": True}),
        (torch.float16, 256, "membrane", "packed", {"reset": "soft", "activation": "relu"}),
        (torch.float32, 128, "output", "dense", {"threshold_related": True}),
        (torch.float32, 100, "membrane", "packed", {"analog": False, "surrogate": "arctan"}),
        (torch.bfloat16, 33, "output", "dense", {"analog": False, "reset": "soft", "levels": 3}),
        (torch.float32, 1000, None, "dense", {"activation": "gelu", "surrogate": "sigmoid"}),
        (torch.bfloat16, 1000, None, "packed", {"activation": "softplus", "surrogate": "gaussian"}),
    ]
    for i, (dtype, hidden, feedback, layout, choices) in enumerate(cases):
        Compiled.capability, reverse = (90, 80)[i % 2], i // 2 % 2 == 1
        neuron = Neuron(feedback=feedback, **choices)
        batch_sizes = sizes[layout]
        x = torch.randn(43, 3) if batch_sizes else torch.randn(3, 20, 3)
        recurrent = torch.randn(hidden, hidden) if feedback else None
        weights = [x, torch.randn(hidden, 3), recurrent, torch.randn(hidden)]
        weights = [w if w is None else w.to(dtype).requires_grad_() for w in weights]
        numbers = [torch.rand(hidden).requires_grad_(), torch.rand(()).requires_grad_(), None]
        start = [torch.zeros(20, hidden), torch.zeros(20, hidden) if reverse else None]
        results = op.recurrence(*weights, *numbers, *start, neuron, batch_sizes, reverse)
        sum(r.nan_to_num().sum() for r in results[: 3 if reverse else 1]).backward()
    with torch.no_grad():
        op.recurrence(*weights, *numbers, *start, neuron, batch_sizes, reverse)
    one = torch.zeros(1, 1, 1, requires_grad=True), *(torch.ones(1, 1, requires_grad=True) for _ in range(2))
    op.recurrence(*one, None, *torch.rand(2), None, *torch.zeros(2, 1, 1), Neuron())[0].sum().backward()
    print(f"{count} kernels compiled")


if __name__ == "__main__":
    main()
