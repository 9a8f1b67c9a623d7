"""``liafseq bench``: the layers against nn.RNN, nn.GRU and nn.LSTM on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.bench.config import (
    DEFAULT_SHAPES,
    MODES,
    BenchConfig,
    parse_list,
    parse_shapes,
    parse_sweep,
)

__all__ = ["bench"]

Measured, Shown = "What is measured", "Output"


def _option(name: str, panel: str, help: str, **more: Any) -> Any:
    return typer.Option(name, help=help, rich_help_panel=panel, **more)


def bench(
    models: Annotated[
        str,
        _option("--models", Measured, "Models, or all: liaf, lif, dalif, mlif, rnn, gru, lstm; gru always."),
    ] = "all",
    shapes: Annotated[
        str,
        _option(
            "--shapes", Measured, "Batch x time steps x input x hidden size, with commas.", metavar="NxTxIxH"
        ),
    ] = ",".join(map(str, DEFAULT_SHAPES)),
    mode: Annotated[
        str, _option("--mode", Measured, "training (forward and backward), inference, or both.")
    ] = ",".join(MODES),
    rounds: Annotated[
        int, _option("--rounds", Measured, "Each round times every model once.", min=1, max=1000)
    ] = BenchConfig.rounds,
    min_time: Annotated[
        float, _option("--min-time", Measured, "Seconds that one timing lasts at least.")
    ] = BenchConfig.min_time,
    option: o.NeuronOptions = None,
    peers: Annotated[
        str,
        _option(
            "--peers",
            Measured,
            "Other packages: installed (those that are), none, or names.",
            metavar="installed|none|norse,snntorch,spikingjelly",
        ),
    ] = "installed",
    sweep: Annotated[
        str | None,
        _option(
            "--sweep",
            Measured,
            "Vary time steps, batch or hidden size of the first shape.",
            metavar="T|N|H[=16,64,...]",
        ),
    ] = None,
    memory: Annotated[bool, _option("--memory", Measured, "Also the memory of a training step.")] = False,
    first_call: Annotated[
        bool, _option("--first-call", Measured, "Also the first step of a fresh process, compiling included.")
    ] = False,
    seed: Annotated[
        int, _option("--seed", Measured, "Seed of weights and inputs.", min=0)
    ] = BenchConfig.seed,
    json_file: Annotated[
        Path | None, _option("--json", Shown, "Write everything that was measured.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, _option("--plot", Shown, "Draw the sweep as a PNG file.", metavar="FILE")
    ] = None,
    device: Annotated[str, _option("--device", o.MACHINE, "cpu, cuda, cuda:1, ...")] = BenchConfig.device,
    dtype: Annotated[
        str, _option("--dtype", o.MACHINE, "Precision.", metavar="float32|float64")
    ] = BenchConfig.dtype,
    threads: Annotated[
        int | None,
        _option("--threads", o.MACHINE, "CPU threads of torch; by default as many as it takes.", min=1),
    ] = None,
) -> None:
    """Time the layers against nn.RNN, nn.GRU and nn.LSTM on this machine.

    Each result is checked against the readable reference in the same run: outputs, final states, every
    gradient. A wrong one is shown as WRONG, without a speed, and the exit code is 1. The floor is the
    matrix products alone. Without options: some minutes.

    Example: liafseq bench --models liaf,lstm --shapes 32x100x64x128 --rounds 5
    """  # fmt: skip
    names = o.parse_models(models)
    base = parse_shapes(shapes)
    letter = None
    if sweep is not None:
        letter, base = parse_sweep(sweep, base[0])
    elif plot is not None:
        raise ValueError("--plot: draws a sweep, so give --sweep T, N or H too")
    config = BenchConfig(
        shapes=base, models=names, modes=parse_list(mode, "--mode", MODES), rounds=rounds, min_time=min_time,
        threads=threads, dtype=dtype, device=device, seed=seed, peers=_peers(peers),
        options=o.parse_neuron_options(option, names),
    )  # fmt: skip
    for file, name in ((json_file, "--json"), (plot, "--plot")):
        if file is not None:
            _check_file(file, name)
    raise typer.Exit(_run(config, letter, memory, first_call, json_file, plot))


def _run(
    config: BenchConfig,
    letter: str | None,
    memory: bool,
    first: bool,
    json_file: Path | None,
    plot: Path | None,
) -> int:
    from liafseq.cli.progress import print_table
    from liafseq.tasks.bench import runner, tables
    from liafseq.tasks.storage.files import write_atomic, write_json

    runner.check_device(config.device)
    described = runner.describe(config)
    result: dict[str, Any] = {"format": 1, **described, "complete": False, "results": []}

    def save() -> None:
        if json_file is not None:
            write_json(json_file, result)

    def show(title: str, table: tuple[list[str], list[list[str]]]) -> None:
        print(title)
        print_table(*table)
        print(flush=True)

    def show_group(rows: list[dict[str, Any]]) -> None:
        result["results"] += rows
        show(tables.heading(rows[0]), tables.speed_table(rows))
        for line in tables.problems(rows):
            print(f"liafseq: {line}", file=sys.stderr)
        save()

    rows = runner.bench(config, show_group)
    for wanted, key, measure, table, title in (
        (memory, "memory", runner.memory, tables.memory_table, "memory of a training step"),
        (
            first,
            "first_call",
            runner.first_calls,
            tables.first_call_table,
            "first training step of a process",
        ),
    ):
        if wanted:
            result[key] = []
            for shape in config.shapes:
                found = measure(config, shape)
                result[key] += found
                if found:
                    show(f"{title}, {tables.heading(found[0])}", table(found))
    print("\n".join(tables.notes(described, config.rounds)))
    result["complete"] = True
    save()
    written = [json_file] if json_file is not None else []
    if plot is not None and letter is not None:
        from liafseq.tasks.bench.plots import sweep_plot

        written.append(write_atomic(plot, sweep_plot(letter, rows)))
    if written:
        print("Written: " + ", ".join(map(str, written)))
    return 1 if any(runner.is_wrong(row) for row in rows) else 0


def _peers(text: str) -> tuple[str, ...]:
    from liafseq.tasks.bench.peers import PEERS, installed_peers

    if text.strip() in ("none", ""):
        return ()
    installed = installed_peers()
    if text.strip() == "installed":
        return installed
    names = parse_list(text, "--peers", tuple(PEERS))
    for name in names:
        if name not in installed:
            raise ValueError(f"--peers: {name} is not installed here; pip install {name}")
    return names


def _check_file(path: Path, option: str) -> None:
    """Sees that the file can be written, before minutes are spent."""
    if path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; expected a file")
    o.make_folder(path.absolute().parent, option)
