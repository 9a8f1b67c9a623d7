"""``liafseq bench``: the layers against nn.RNN, nn.GRU and nn.LSTM on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from liafseq.cli import options as o
from liafseq.cli.train import ONLY_COMPARE
from liafseq.tasks.bench.config import BenchConfig, Shape
from liafseq.tasks.config import FieldError, replace
from liafseq.tasks.report.table import Table
from liafseq.tasks.study.plan import StudyOptions, optioned

__all__ = ["command"]

JSON = o.plain_option(
    "json_file", Path | None, None, "--json", panel="Study", metavar="FILE",
    help="Write everything that was measured; a file that is there is replaced.",
)  # fmt: skip
PLOT = o.plain_option(
    "plot", Path | None, None, "--plot", panel="Study", metavar="FILE",
    help="Draw the sweep as a PNG file; a file that is there is replaced.",
)  # fmt: skip


def command() -> Any:
    """The function of ``liafseq bench``."""
    own = o.Source(BenchConfig, {"peers": "installed"})
    extra = o.Source(StudyOptions, {}, without=ONLY_COMPARE)
    made = o.Command(None, own, extra)

    def run(given: dict[str, Any]) -> None:
        """Time the layers against nn.RNN, nn.GRU and nn.LSTM on this machine.

        Each result is checked against the readable reference in the same run: outputs, final states, every
        gradient. A wrong one is shown as WRONG, without a speed, and the exit code is 1. The floor is the
        matrix products alone, one a step; the limit is their operations at the rate of one large product.
        Without options: some minutes.

        Example: liafseq bench --models liaf,liaf:gated=true,lstm --shapes 32x100x64x128 --rounds 5
        """
        try:
            said = made.said(given, given["config"])
            texts = said.pop("options", ())
            config = made.build(own, said)
            config = replace(config, models=optioned(config.models, texts))
            if config.threads is not None:
                o.check_threads(config)
        except FieldError as error:
            raise made.option_error(error) from None
        if given["plot"] is not None and config.sweep is None:
            raise ValueError("--plot: draws a sweep, so give --sweep T, N or H too")
        for spec in config.models:
            spec.try_out()
        for file, name in ((given["json_file"], "--json"), (given["plot"], "--plot")):
            if file is not None:
                _check_file(file, name)
        _measure(config, given["json_file"], given["plot"])

    return made.function(run, o.CONFIG_FILE, JSON, PLOT)


def _measure(config: BenchConfig, json_file: Path | None, plot: Path | None) -> None:
    """Measures and tells of it group by group; exit code 1 if a layer is wrong."""
    from liafseq.cli.progress import paragraph, print_table
    from liafseq.tasks.bench import runner, tables
    from liafseq.tasks.bench.results import Timing
    from liafseq.tasks.storage.files import write_atomic

    runner.check_device(config.device)
    bench = runner.start(config)

    def keep(field: str, rows: Sequence[Any], title: str, table: Table) -> None:
        nonlocal bench
        bench = bench.having(field, rows)
        print(title)
        print_table(table)
        print(flush=True)
        if json_file is not None:
            bench.write(json_file)

    def timed(rows: Sequence[Timing]) -> None:
        keep("results", rows, tables.heading(rows[0].shape, rows[0].mode), tables.speed_table(rows))
        for line in tables.problems(rows):
            print(f"liafseq: {line}", file=sys.stderr)

    def remembered(shape: Shape) -> None:
        rows = runner.memory(config, shape)
        keep("memory", rows, f"memory of a training step, {tables.heading(shape)}", tables.memory_table(rows))

    def first_called(shape: Shape) -> None:
        rows = runner.first_calls(config, shape)
        title = f"first training step of a process, {tables.heading(shape)}"
        keep("first_call", rows, title, tables.first_call_table(rows))

    def stepped() -> None:
        rows = runner.one_steps(config)
        title = "one step of one sequence, input 64, hidden 64"
        keep("one_step", rows, title, tables.one_step_table(rows))

    runner.bench(config, timed)
    for wanted, measure in ((config.memory, remembered), (config.first_call, first_called)):
        for shape in config.measured if wanted else ():
            measure(shape)
    if config.one_step:
        stepped()
    for line in tables.notes(bench):
        print(paragraph(line))
    written = []
    if json_file is not None:
        written.append(bench.model_copy(update={"complete": True}).write(json_file))
    if plot is not None and config.sweep is not None:
        from liafseq.tasks.bench.plots import sweep_plot

        written.append(write_atomic(plot, sweep_plot(config.sweep, bench.results)))
    if written:
        print("Written: " + ", ".join(map(str, written)))
    if any(row.is_wrong for row in bench.results):
        raise typer.Exit(1)


def _check_file(path: Path, option: str) -> None:
    """Sees that the file can be written, before minutes are spent."""
    if path.is_dir():
        raise ValueError(f"{option}: {path} is a folder; expected a file")
    o.make_folder(path.absolute().parent, option)
