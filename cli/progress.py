"""What a person sees while runs are going on: bars on a terminal, a line per run elsewhere."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import typer

from liafseq.tasks.config import Config
from liafseq.tasks.report.table import Table
from liafseq.tasks.results import Outcome
from liafseq.tasks.study.runs import Event
from liafseq.tasks.task import Task
from liafseq.tasks.training.progress import Progress

__all__ = ["StudyProgress", "TrainProgress", "ascii_only", "paragraph", "print_table", "resumable", "room"]


_STARTING = "reads data, compiles"
"""What a run does before its first step."""


def run_name(task: Task[Any, Any], config: Config) -> str:
    """A run in a few words: model, parts, seed."""
    parts = [part.name for part in task.parts(config)]
    named = ", ".join(parts) if len(parts) <= 5 else f"{parts[0]} to {parts[-1]}"
    end = f"seed {config.seed}" if config.score_test else "search"
    return f"{config.model.label} {named} {end}"


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


def paragraph(text: str) -> str:
    """A text wrapped at words on a terminal; one line elsewhere, for programs that read lines."""
    return textwrap.fill(text, room(), break_long_words=False) if sys.stdout.isatty() else text


def ascii_only() -> bool:
    """Whether standard output can write no sign such as plus-minus."""
    try:
        "±µ".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def print_table(table: Table) -> None:
    """The table on standard output: with rich on a terminal, aligned text elsewhere."""
    if not sys.stdout.isatty():
        print(table.plain())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="bold")
    for at, name in enumerate(table.header):
        # Folded where the terminal is too narrow: a figure that is cut off is worse.
        left = table.words or not at
        shown.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    Console().print(shown)


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
    """Shows the events of a study of ``total`` runs: of one task, or of several by label."""

    def __init__(self, task: Task[Any, Any] | Mapping[str, Task[Any, Any]], total: int) -> None:
        super().__init__()
        self.tasks = task if isinstance(task, Mapping) else {"": task}
        self.label = next(iter(self.tasks))
        self.total = total
        self.done = 0
        self.shown: dict[str, Any] = {}
        self.parts: dict[str, float] = {}
        self.whole = self.bars.add_task("all runs", total=total, state="") if self.bars is not None else None

    @property
    def task(self) -> Task[Any, Any]:
        return self.tasks[self.label]

    def of(self, label: str, event: Event) -> None:
        """Shows an event of the task of a label."""
        self.label = label
        self(event)

    def __call__(self, event: Event) -> None:
        key = event.config.key()
        name = " ".join(filter(None, [self.label, run_name(self.task, event.config)]))
        if event.run is not None:
            self.done += 1
            self.parts.pop(key, None)
            self._remove(key)
            self.say(f"[{self.done}/{self.total}] {name}: {self._outcome(event)}")
        elif event.kind == "note":
            self.say(f"{name}: {event.text}")
        elif event.kind == "progress" and event.progress is not None:
            self.parts[key] = _fraction(event.progress)
            self._update(key, event.progress)
        elif event.kind == "started" and self.bars is not None:
            self.shown[key] = self.bars.add_task(name, total=1.0, state=_STARTING, start=False)
        if self.bars is not None:
            completed = self.done + sum(self.parts.values())
            self.bars.update(self.whole, completed=completed, state=f"{self.done}/{self.total}")

    def _update(self, key: str, progress: Progress) -> None:
        if self.bars is None or key not in self.shown:
            return
        bar = self.shown[key]
        # Started by the first report, so that the start of the process does not count as work.
        self.bars.start_task(bar)
        self.bars.update(bar, completed=self.parts[key], state=_state(progress))

    def _remove(self, key: str) -> None:
        if key in self.shown:
            self.bars.remove_task(self.shown.pop(key))

    def _outcome(self, event: Event) -> str:
        assert event.run is not None
        if event.run.outcome is None:
            return f"failed: {event.run.error}"
        outcome, metric = event.run.outcome, self.task.metric
        mean = outcome.mean(metric.name)
        if mean is None:
            text = f"validation {metric.text(outcome.valid.metrics[metric.name], unit=True)}"
        else:
            text = metric.text(mean, unit=True)
        if event.kind == "kept":
            return f"{text} (finished before)"
        return f"{text} in {outcome.time.train_seconds:.1f} s"


class TrainProgress(_Bars):
    """The progress callback of one run in this process."""

    def __init__(self, task: Task[Any, Any], config: Config) -> None:
        super().__init__()
        self.name = run_name(task, config)
        self.metric = task.metric
        self.epochs = config.epochs
        self.epoch: int | None = None
        self.bar: Any = None

    def __enter__(self) -> Any:
        super().__enter__()
        if self.bars is not None:
            self.bar = self.bars.add_task(self.name, total=1.0, state=_STARTING)
        return self

    def __call__(self, progress: Progress) -> None:
        if self.bars is not None:
            self.bars.update(self.bar, completed=_fraction(progress), state=_state(progress))
        elif self.epoch is not None and progress.epoch != self.epoch:
            # The first report of an epoch carries the validation score of the one before.
            self._line(self.epoch, progress.valid or "-")
        self.epoch = progress.epoch

    def end(self, outcome: Outcome) -> None:
        """Tells of the last epoch, where this process has trained it."""
        if self.bars is None and self.epoch is not None:
            best = self.metric.text(outcome.valid.metrics[self.metric.name], unit=True)
            self._line(self.epoch, f"best {best} (epoch {outcome.best_epoch})")

    def _line(self, epoch: int, text: str) -> None:
        print(f"epoch {epoch}/{self.epochs}: validation {text}", file=sys.stderr, flush=True)


def _fraction(progress: Progress) -> float:
    done = (progress.epoch - 1) * progress.batches + progress.batch
    return min(1.0, done / max(1, progress.epochs * progress.batches))


def _state(progress: Progress) -> str:
    text = f"epoch {progress.epoch}/{progress.epochs} loss {progress.loss:.3f}"
    return f"{text} valid {progress.valid or '-':>6}"
