"""The script for a GPU, without one: what it plans, how it refuses, what it makes of what it finds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from liafseq.tasks.bench.gpu import __main__ as script
from liafseq.tasks.bench.gpu.parity import CASES, NEURONS, PRECISIONS
from liafseq.tasks.bench.gpu.parts import PARTS, Part


def test_a_dry_run_names_all_and_runs_nothing(capsys):
    assert script.main(["--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == sum(1 + len(part.work) for part in PARTS.values())
    assert "  first call inside a capture" in said


def test_the_cases_hold_every_neuron_in_every_precision():
    assert {(case.neuron, case.precision) for case in CASES} == {(n, p) for n in NEURONS for p in PRECISIONS}
    assert len(set(map(str, CASES))) == len(CASES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_one_line_and_exit_code_2(capsys, tmp_path):
    assert script.main(["--output", str(tmp_path / "gpu")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_part_that_is_not_there(capsys):
    assert script.main(["--parts", "speed,colour", "--dry-run"]) == 2
    assert "colour" in capsys.readouterr().err


def test_what_fails_does_not_hide_the_rest(monkeypatch, tmp_path):
    def broken():
        raise RuntimeError("no such\ninstruction")

    part = Part("Things", {"bad": broken, "good": lambda: {"error": 0.25, "ok": True}})
    monkeypatch.setattr(script, "PARTS", {"things": part})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    output = tmp_path / "found"
    assert script.main(["--parts", "things", "--output", str(output)]) == 1
    bad, good = json.loads(output.with_suffix(".json").read_text())["things"]
    assert (bad["what"], bad["ok"], good["ok"]) == ("bad", False, True)
    assert "no such instruction" in bad["said"]
    text = output.with_suffix(".md").read_text()
    assert "## Things" in text
    assert "| **no** |" in text
    assert "0.25" in text


def test_errors_are_found_by_the_interpreter_too():
    pytest.importorskip("triton")
    code = """
from liafseq.tasks.bench.gpu import parity as p
p.REPEATS = 2
for neuron, packed, reverse, scale in (("gated", True, False, 1.0), ("output", False, True, 1e-4)):
    found = p.parity(p.Case(neuron, "fp32", 20, 9, 4, packed, reverse, scale), "cpu")
    assert found["ok"] and 0 < found["error"] < 1e-5, found
"""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
