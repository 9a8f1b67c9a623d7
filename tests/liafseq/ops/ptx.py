"""Reads the loop over the steps in the PTX of a kernel: its barriers, its products, its bank conflicts."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

LANES = 32
Values = tuple[int, ...]


class Conflicts(NamedTuple):
    """How many loads were looked at, how often they wait for a bank that others read, how many lanes ask
    for one bank at most, and how many loads have an address that could not be computed."""

    loads: int
    waits: int
    worst: int
    unknown: int

    def __str__(self) -> str:
        return f"{self.waits} of {self.loads}"


@dataclass(frozen=True)
class Loop:
    """A loop of PTX, and the lines before it."""

    before: tuple[str, ...]
    lines: tuple[str, ...]

    @classmethod
    def largest(cls, ptx: str) -> Loop:
        """The longest stretch between a label and a jump back to it; empty where there is none."""
        lines = tuple(line.split("//")[0].strip() for line in ptx.splitlines())
        labels = {line[:-1]: i for i, line in enumerate(lines) if line.startswith("$") and line.endswith(":")}
        spans = [(0, 0)]
        for i, line in enumerate(lines):
            jump = re.search(r"\bbra(?:\.uni)?\s+(\$\w+)", line)
            if jump and labels.get(jump[1], i) < i:
                spans.append((labels[jump[1]], i))
        first, last = max(spans, key=lambda span: span[1] - span[0])
        return cls(lines[:first], lines[first:last])

    @property
    def barriers(self) -> int:
        return sum("bar.sync" in line or "barrier.sync" in line for line in self.lines)

    @property
    def product(self) -> str:
        text = "\n".join(self.lines)
        for name in ("wgmma", "mma.sync"):
            if name in text:
                return name
        return "fma" if text.count("fma.rn.f32") > 100 else "-"

    @property
    def conflicts(self) -> Conflicts:
        """Of the loads from shared memory in one warp, as far as addresses depend on the thread alone."""
        found, unknown = [], 0
        for line in self.lines:
            load = re.match(r"(?:@\S+ )?(ld\.shared\S*|ldmatrix\S*).*\[(\S+?)(?:\s*\+\s*(\d+))?\]", line)
            if not load:
                continue
            where = self._registers.value(load[2], 0)
            if where is None:
                unknown += 1
            else:
                found.append(ways(load[1], [at + int(load[3] or 0) for at in where]))
        return Conflicts(len(found), sum(found) - len(found), max(found, default=1), unknown)

    @cached_property
    def _registers(self) -> Registers:
        return Registers(self.before + self.lines)


def ways(name: str, places: list[int]) -> int:
    """How many different words of one bank the lanes that are served together ask for, at most."""
    if name.startswith("ldmatrix"):
        size, together = 16, 8
        places = places[: 8 * int(re.search(r"\.x(\d)", name)[1])]  # type: ignore[index]
    else:
        vector, bits = re.search(r"\.v(\d)", name), re.search(r"\.[bfus](\d+)$", name)
        size = (int(vector[1]) if vector else 1) * int(bits[1]) // 8  # type: ignore[index]
        together = LANES // max(1, size // 4)
    worst = 0
    for first in range(0, len(places), together):
        words = {(at + byte) // 4 for at in places[first : first + together] for byte in range(0, size, 4)}
        banks = defaultdict(int)
        for word in words:
            banks[word % 32] += 1
        worst = max(worst, *banks.values())
    return worst


class Registers:
    """What registers hold that depend on nothing but the thread: each with one definition."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.made: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
        self.known: dict[tuple[str, int], Values | None] = {}
        for line in lines:
            found = re.match(r"([a-z]\S*)\s+(%\w+),\s*(.*);", line)
            if found and not found[1].startswith(("st.", "bar")):
                self.made[found[2]].append((found[1], [a.strip() for a in found[3].split(",")]))
            for several in re.findall(r"\{([^}]*)\}", line):
                for name in several.split(","):
                    self.made[name.strip()].append(("?", []))

    def value(self, name: str, first: int) -> Values | None:
        """Of the lanes of the warp that begins with that thread, or None."""
        if name == "%tid.x":
            return tuple(range(first, first + LANES))
        if re.fullmatch(r"-?\d+", name):
            return (int(name),) * LANES
        if name == "global_smem":
            return (0,) * LANES
        if (name, first) not in self.known:
            self.known[name, first] = None
            made = self.made.get(name, [])
            self.known[name, first] = self._made(*made[0], first) if len(made) == 1 else None
        return self.known[name, first]

    def _made(self, operation: str, names: list[str], first: int) -> Values | None:
        base = operation.split(".")[0]
        given = [self.value(name, first) for name in names]
        if base not in OPERATIONS or any(values is None for values in given):
            return None
        mask = (1 << (64 if operation.endswith("64") else 32)) - 1
        return tuple(OPERATIONS[base](*lane) & mask for lane in zip(*given, strict=True))  # type: ignore[arg-type]


def bfi(a: int, b: int, at: int, size: int) -> int:
    mask = ((1 << size) - 1) << at
    return (b & ~mask) | (a << at & mask)


OPERATIONS = {
    "mov": lambda a: a, "cvt": lambda a: a, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b, "add": lambda a, b: a + b, "sub": lambda a, b: a - b,
    "shl": lambda a, b: a << b, "shr": lambda a, b: a >> b, "mul": lambda a, b: a * b,
    "mad": lambda a, b, c: a * b + c, "bfe": lambda a, at, size: a >> at & ((1 << size) - 1), "bfi": bfi,
}  # fmt: skip
