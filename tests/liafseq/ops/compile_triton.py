"""Compiles the Triton kernels for GPUs that need not be there, and checks what they use of them.

Prints a table. Run by ``test_triton.py`` in a process of its own, since there the kernels are interpreted.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
import triton
from ptx import Conflicts, Loop
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from liafseq.neurons import Neuron
from liafseq.ops import Call, Numbers, State, Steps, Weights
from liafseq.ops.gradients import differentiable
from liafseq.ops.triton import device, elementwise, loop, run, steps

SHARED = 163 * 1024
NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
LAUNCH = {"num_warps", "num_stages", "enable_fp_fusion"}
SPILLS = {("fp32 128 membrane", "loop.backward"): 168}
"""Bytes that a kernel may spill, by the case and its own name."""
WAITS = {"fp32 64 gated": 4, "fp32 128 gated": 4}
"""How many lanes wait for one bank of what the backward loop reads beside W_hh, where it is not one."""
STEP_WAITS = 8
"""The same in a step, whose few vector loads of three-dimensional tiles Triton does not swizzle."""
PRODUCTS = {"fp32": ("fma",), "tf32": ("mma.sync", "wgmma"), "bf16": ("mma.sync", "wgmma")}


def kind(kernel, value, name):
    if isinstance(value, torch.Tensor):
        return "*" + {torch.int32: "i32", torch.int64: "i64", **NAMES}[value.dtype]
    free = name in kernel.do_not_specialize
    return "constexpr" if value is None or name.isupper() or (value == 1 and not free) else "i32"


class Compiled:
    """Stands for a kernel: compiles what would have been launched."""

    capability, case = 80, ""
    rows: ClassVar[list[Row]] = []
    seen: ClassVar[set[tuple[object, ...]]] = set()

    def __init__(self, kernel):
        self.kernel, self.__name__ = kernel, kernel.__name__
        self.name = f"{kernel.fn.__module__.rpartition('.')[2]}.{kernel.__name__}"

    def __getitem__(self, grid):
        return self.launch

    def launch(self, *given, **choices):
        options = {k: choices.pop(k) for k in LAUNCH if k in choices}
        values = {**dict(zip(self.kernel.arg_names, given, strict=False)), **choices}
        signature = {n: kind(self.kernel, values[n], n) for n in self.kernel.arg_names}
        constants = {n: values[n] for n, k in signature.items() if k == "constexpr"}
        aligned = {
            (i,): [["tt.divisibility", 16]]
            for i, (n, k) in enumerate(signature.items())
            if k[0] == "*"
            or (k == "i32" and n not in self.kernel.do_not_specialize and values[n] and values[n] % 16 == 0)
        }
        key = (self.name, self.capability, *map(str, (signature, constants, aligned, options)))
        if key in self.seen:
            return
        self.seen.add(key)
        source = ASTSource(self.kernel, signature, constants, aligned)
        target = GPUTarget("cuda", self.capability, 32)
        binary = triton.compile(source, target=target, options=options)
        ptx = binary.asm["ptx"]
        used, spilled = resources(ptx)
        inner = Loop.largest(ptx)
        self.rows.append(
            Row(
                f"sm_{self.capability}", self.case, self.name, options["num_warps"], used, spilled,
                binary.metadata.shared, inner.barriers, inner.product, inner.conflicts,
            )
        )  # fmt: skip


def resources(ptx: str) -> tuple[int, int]:
    """Registers and bytes spilled, as the assembler says."""
    target = re.search(r"\.target (sm_\w+)", ptx)
    assert target is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(ptx)
        command = [
            get_ptxas(int(re.sub(r"\D", "", target[1]))).path,
            "-v",
            "--gpu-name",
            target[1],
            str(path),
            "-o",
            f"{folder}/out",
        ]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    said = found.stderr
    registers, spilled = (
        re.search(r"Used (\d+) registers", said),
        re.search(r"(\d+) bytes spill stores", said),
    )
    assert registers is not None, said
    return int(registers[1]), int(spilled[1]) if spilled else 0


class Row(NamedTuple):
    """What one kernel uses; barriers and bank conflicts are those of a step, or of a part of its sum."""

    target: str
    case: str
    kernel: str
    warps: int
    registers: int
    spilled: int
    shared: int
    barriers: int
    product: str
    conflicts: Conflicts

    def complaints(self) -> list[str]:
        """What is not as it should be."""
        dtype, hidden, choices, _ = CASES[self.case]
        found = []
        if self.spilled > SPILLS.get((self.case, self.kernel), 0):
            found.append(f"spills {self.spilled} bytes")
        loop, step = self.kernel.startswith("loop."), self.kernel.startswith("steps.")
        if not (loop or step) or self.kernel == "steps.fill":
            return found
        feedback = choices.get("feedback", "output") is not None
        blocks = 2 if choices.get("gate") else 1
        size = device.padded(hidden)
        kept = (
            blocks * size * size * dtype.itemsize + size * device.BESIDE if loop and feedback else 48 * 1024
        )
        if self.shared > min(kept, SHARED):
            found.append(f"{self.shared} bytes of shared memory, {kept} expected")
        wanted = PRODUCTS[self.case[:4].replace("fp16", "bf16")] if feedback else ("-",)
        if self.product not in wanted:
            found.append(f"multiplies by {self.product}, not {wanted}")
        most = WAITS.get(self.case, 1) if self.kernel == "loop.backward" else STEP_WAITS if step else 1
        if self.conflicts.worst > most:
            found.append(f"bank conflicts: {self.conflicts}, {self.conflicts.worst} ways")
        if loop and self.conflicts.unknown > 32:
            found.append(f"{self.conflicts.unknown} addresses unknown")
        return found


PACKED = Steps((20, 20, 3))
CASES = {
    "fp32 64": (torch.float32, 64, {}, Steps()),
    "fp32 128": (torch.float32, 128, {}, Steps()),
    "fp32 128 membrane": (torch.float32, 128, {"feedback": "membrane", "analog": False}, PACKED),
    "tf32 128": (torch.float32, 128, {}, Steps()),
    "bf16 128": (torch.bfloat16, 128, {}, Steps()),
    "bf16 256": (torch.bfloat16, 256, {}, Steps()),
    "fp16 256 membrane": (torch.float16, 256, {"feedback": "membrane", "activation": "relu"}, PACKED),
    "bf16 33 levels": (torch.bfloat16, 33, {"analog": False, "reset": "soft", "levels": 3}, Steps()),
    "fp32 64 gated": (torch.float32, 64, {"gate": "sigmoid", "normalize": True}, Steps()),
    "fp32 128 gated": (torch.float32, 128, {"gate": "sigmoid", "normalize": True}, PACKED),
    "tf32 128 gated": (torch.float32, 128, {"gate": "tanh"}, Steps()),
    "bf16 128 gated": (torch.bfloat16, 128, {"gate": "sigmoid", "normalize": True}, Steps()),
    "fp32 1000": (torch.float32, 1000, {}, Steps()),
    "fp32 1024 gated": (torch.float32, 1024, {"gate": "sigmoid", "normalize": True}, Steps()),
    "tf32 512": (torch.float32, 512, {}, Steps()),
    "tf32 256 gated": (torch.float32, 256, {"gate": "sigmoid"}, PACKED),
    "bf16 1024": (torch.bfloat16, 1024, {}, Steps()),
    "bf16 1024 gated": (torch.bfloat16, 1024, {"gate": "sigmoid", "normalize": True}, PACKED),
    "fp32 1000 none": (torch.float32, 1000, {"feedback": None, "activation": "gelu"}, Steps()),
    "bf16 1000 none": (torch.bfloat16, 1000, {"feedback": None, "activation": "softplus"}, PACKED),
}


def compile_case(name: str) -> None:
    dtype, hidden, choices, how = CASES[name]
    torch.backends.cuda.matmul.allow_tf32 = name.startswith("tf32")
    neuron = Neuron(**choices)
    blocks = neuron.blocks
    x = torch.zeros(sum(how.sizes), 3) if how.sizes else torch.zeros(3, 20, 3)
    weights = [
        torch.zeros(blocks * hidden, 3),
        torch.zeros(blocks * hidden, hidden) if neuron.feedback else None,
        torch.zeros(blocks * hidden),
    ]
    x, *weights = (w if w is None else w.to(dtype).requires_grad_() for w in (x, *weights))
    # a layer's defaults: one decay for each neuron, learned, and one threshold
    decay = None if neuron.gate else torch.rand(hidden).requires_grad_()
    numbers = Numbers(decay, torch.ones(()), None)
    call = Call(x, Weights(*weights), numbers, State(torch.zeros(20, hidden)), neuron, how)
    differentiable(run.PASSES, call)[0].nan_to_num().sum().backward()


def main(names: list[str]) -> int:
    for module, kernels in (
        (loop, ("forward", "backward")), (steps, ("forward", "backward", "fill")),
        (elementwise, ("emit", "slopes", "totals")),
    ):  # fmt: skip
        for name in kernels:
            setattr(module, name, Compiled(getattr(module, name)))
    device.interpreted = run.interpreted = lambda: False
    for Compiled.capability in (80, 90):
        for Compiled.case in names or CASES:
            compile_case(Compiled.case)
    print(" | ".join(Row._fields))
    for row in Compiled.rows:
        print(" | ".join(map(str, row)))
    complaints = [
        f"{row.target}, {row.case}, {row.kernel}: {what}"
        for row in Compiled.rows
        for what in row.complaints()
    ]
    print("\n".join(complaints))
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
