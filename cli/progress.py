"""What a person sees while runs are going on: bars on a terminal, a line a run elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import typer

from liafseq.tasks.study import Event, RunConfig

__all__ = ["StudyProgress", "TrainProgress", "print_table", "resumable", "room", "run_name"]


def run_name(run: RunConfig) -> str:
    """A run in a few words: model, tasks, seed."""
    tasks = ",".join(map(str, run.tasks))
    if len(run.tasks) > 5:
        tasks = f"{run.tasks[0]}..{run.tasks[-1]}"
    if not getattr(run, "score_test", True):
        return f"{run.model} task {tasks} search"
    kind = "task " if isinstance(run.tasks[0], int) else ""
    return f"{run.model} {kind}{tasks} seed {run.seed}"


@contextmanager
def resumable() -> Iterator[None]:
    """Ends the command with exit code 130 on Ctrl-C, and says that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        print("liafseq: stopped; the same command goes on where it was", file=sys.stderr)
        raise typer.Exit(130) from None


def room() -> int:
    """Characters in a line of standard output."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 120


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """The table on standard output: with rich on a terminal, aligned text elsewhere."""
    if not sys.stdout.isatty():
        from liafseq.tasks.report import plain_table

        print(plain_table(header, rows))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for at, name in enumerate(header):
        # Folded where the terminal is too narrow: a figure that is cut off is worse.
        table.add_column(name, justify="right" if at else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


class _Bars:
    """A rich display on standard error, if that is a terminal; a context manager."""

    def __init__(self) -> None:
        self.bars: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=12),
                TextColumn("{task.fields[state]}", markup=False),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Any:
        if self.bars is not None:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars is not None:
            self.bars.stop()

    def say(self, text: str) -> None:
        """A line that stays, above the bars."""
        if self.bars is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self.bars.console.print(text, markup=False, highlight=False)


class StudyProgress(_Bars):
    """Shows the events of :func:`liafseq.tasks.study.compare` of ``total`` runs."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total = total
        self.done = 0
        self.kept = 0
        self.shown: dict[str, Any] = {}
        self.parts: dict[str, float] = {}
        self.whole = self.bars.add_task("all runs", total=total, state="") if self.bars is not None else None

    def __call__(self, event: Event) -> None:
        key = event.run.key()
        if event.kind in ("kept", "finished", "failed"):
            self.done += 1
            self.kept += event.kind == "kept"
            self.parts.pop(key, None)
            self._remove(key)
            self.say(f"[{self.done}/{self.total}] {run_name(event.run)}: {_outcome(event)}")
        elif event.kind == "note":
            self.say(f"{run_name(event.run)}: {event.text}")
        elif event.kind == "progress" and event.progress is not None:
            self.parts[key] = _fraction(event.progress)
            self._update(key, event)
        elif event.kind == "started" and self.bars is not None:
            self.shown[key] = self.bars.add_task(
                run_name(event.run), total=1.0, state="starting", start=False
            )
        if self.bars is not None:
            completed = self.done + sum(self.parts.values())
            self.bars.update(self.whole, completed=completed, state=f"{self.done}/{self.total}")

    def _update(self, key: str, event: Event) -> None:
        if self.bars is None or key not in self.shown or event.progress is None:
            return
        bar = self.shown[key]
        # Started by the first report, so that the start of the process does not count as work.
        self.bars.start_task(bar)
        self.bars.update(bar, completed=self.parts[key], state=_state(event.progress))

    def _remove(self, key: str) -> None:
        if key in self.shown:
            self.bars.remove_task(self.shown.pop(key))


class TrainProgress(_Bars):
    """The progress callback of one run in this process."""

    def __init__(self, run: RunConfig) -> None:
        super().__init__()
        self.name = run_name(run)
        self.epoch: int | None = None
        self.bar: Any = None

    def __call__(self, progress: Any) -> None:
        fields = vars(progress)
        if self.bars is not None:
            if self.bar is None:
                self.bar = self.bars.add_task(self.name, total=1.0, state="")
            self.bars.update(self.bar, completed=_fraction(fields), state=_state(fields))
        elif self.epoch is not None and progress.epoch != self.epoch:
            # The first report of an epoch carries the validation accuracy of the one before.
            accuracy = _accuracy(progress.valid_accuracy)
            print(f"epoch {self.epoch}/{progress.epochs}: validation {accuracy}", file=sys.stderr, flush=True)
        self.epoch = progress.epoch


def _fraction(progress: Mapping[str, Any]) -> float:
    done = (progress["epoch"] - 1) * progress["batches"] + progress["batch"]
    return min(1.0, done / max(1, progress["epochs"] * progress["batches"]))


def _state(progress: Mapping[str, Any]) -> str:
    text = f"epoch {progress['epoch']}/{progress['epochs']} loss {progress['loss']:.3f}"
    return f"{text} valid {_accuracy(progress['valid_accuracy']):>6}"


def _accuracy(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _outcome(event: Event) -> str:
    row = event.row or {}
    if event.kind == "failed":
        return f"failed: {row['error']}"
    if row["mean_accuracy"] is None:
        text = f"validation {_accuracy(row['valid_accuracy'])}"
    else:
        text = _accuracy(row["mean_accuracy"])
    if event.kind == "kept":
        return f"{text} (finished before)"
    return f"{text} in {row['time']['train_seconds']:.1f} s"
