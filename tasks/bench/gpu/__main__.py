"""``python -m liafseq.tasks.bench.gpu``: see the package."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from liafseq.tasks.bench.gpu.parts import PARTS, Row
from liafseq.tasks.storage.files import write_atomic

__all__ = ["main", "markdown"]


def markdown(found: dict[str, list[Row]]) -> str:
    """A table for each part."""
    lines = ["# The Triton kernels on a GPU"]
    for name, rows in found.items():
        heads = list(dict.fromkeys(key for row in rows for key in row))
        lines += ["", f"## {PARTS[name].title}", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(_cell(row.get(head)) for head in heads)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "**no**", None: ""}[value]
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "/")


def _row(name: str, work: Callable[[], Row]) -> Row:
    start = time.perf_counter()
    try:
        row = work()
    except Exception as error:  # one failure must not hide what the rest finds
        row = {"ok": False, "said": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    return {"what": name, **row, "seconds": time.perf_counter() - start}


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: all is right; 1: something is not; 2: no GPU, or no such part."""
    parser = argparse.ArgumentParser(
        "python -m liafseq.tasks.bench.gpu", description="The first ten minutes on a GPU."
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="what to run, with commas")
    parser.add_argument("--output", type=Path, default=Path("gpu"), help="writes OUTPUT.json and OUTPUT.md")
    parser.add_argument("--dry-run", action="store_true", help="print what would be run")
    given = parser.parse_args(arguments)
    chosen = [name for name in given.parts.split(",") if name]
    if wrong := [name for name in chosen if name not in PARTS]:
        print(f"gpu: --parts: expected some of {', '.join(PARTS)}, got {wrong[0]!r}", file=sys.stderr)
        return 2
    if given.dry_run:
        for part in (PARTS[name] for name in chosen):
            print(f"{part.title}: {len(part.work)}")
            for name in part.work:
                print(f"  {name}")
        return 0
    if not torch.cuda.is_available():
        print("gpu: torch finds no GPU here; --dry-run prints what would be run", file=sys.stderr)
        return 2
    found: dict[str, list[Row]] = {}
    for part in chosen:
        found[part] = []
        for name, work in PARTS[part].work.items():
            found[part].append(_row(name, work))
            print(part, found[part][-1], flush=True)
            # after each, so that a crash leaves what was found
            write_atomic(given.output.with_suffix(".json"), json.dumps(found, indent=1))
            write_atomic(given.output.with_suffix(".md"), markdown(found))
    return int(any(row["ok"] is False for rows in found.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
