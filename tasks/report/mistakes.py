"""The wrong answers of a study's best runs."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from liafseq.tasks import task as tasks
from liafseq.tasks.report.blocks import Block, Captioned, Text
from liafseq.tasks.report.table import Table
from liafseq.tasks.report.words import count_of
from liafseq.tasks.results import Run, Study
from liafseq.tasks.task import Metric, Mistake
from liafseq.tasks.training.folder import CONFIG

__all__ = ["mistakes"]

MOST = 200
"""So many wrong answers are looked at, the first ones of a part."""
CLASSES = 8
"""Up to so many answers a table of what was taken for what is shown, beyond that examples."""
EXAMPLES = 4
PARTS = 6
"""So many parts are shown: each needs a network and its data."""
LETTERS = 300


def mistakes(study: Study, folder: Path) -> list[Block]:
    """What the best model of each part gets wrong; nothing where the task cannot say."""
    task = tasks.find(study.task)
    if not task.has("mistakes") or not any(run.finished for run in study.runs):
        return []
    blocks: list[Block] = []
    left_out: dict[str, None] = {}
    for part in list(study.parts)[:PARTS]:
        run = _best(study, part, task.metric)
        if run is None:
            continue
        try:
            wrong = _of_run(folder / run.key, part)
        # The data may be elsewhere, the folder moved or damaged: whatever it is, the report goes on.
        except Exception as error:
            left_out[" ".join(f"{type(error).__name__}: {error}".split())] = None
            continue
        blocks.append(_block(study, part, run, wrong, task.word))
    if len(study.parts) > PARTS:
        blocks.append(Text(f"Of the first {PARTS} parts; liafseq evaluate --errors lists those of any run."))
    return blocks + [Text(f"Wrong answers that cannot be shown: {why}") for why in left_out]


def _best(study: Study, part: str, metric: Metric) -> Run | None:
    """The run with the first seed of the model that scores best on a part."""
    means = {
        entry.model: metric.better(spread.mean)
        for entry in study.summary
        if (spread := entry.parts[part][metric.name]) is not None
    }
    if not means:
        return None
    model = max(means, key=means.__getitem__)
    return min((run for run in study.of(model) if part in run.parts), key=lambda run: run.seed)


def _of_run(folder: Path, part: str) -> list[Mistake]:
    if not (folder / CONFIG).is_file():  # before torch is loaded
        raise FileNotFoundError(f"no {folder / CONFIG}")
    from liafseq.tasks.training.trained import load

    return list(islice(load(folder).mistakes(only=part), MOST))


def _block(study: Study, part: str, run: Run, wrong: list[Mistake], word: str) -> Block:
    count = run.done.test[part].count
    of = f"{study.parts[part]}, {run.model}, seed {run.seed}"
    if not wrong:
        return Text(f"{of}: none of {count:,} {word} is wrong.")
    first = f"the first {MOST} wrong" if len(wrong) == MOST else f"{len(wrong)} wrong of {count:,}"
    labels = sorted({label for one in wrong for label in (one.expected, one.given)})
    if len(labels) <= CLASSES:
        pairs = Counter((one.expected, one.given) for one in wrong)
        rows = [
            (right, *("" if right == given else str(pairs[right, given]) for given in labels))
            for right in labels
        ]
        caption = f"{of}: {first} {word}. A line is the right answer, a column what the network says."
        return Captioned(caption, Table(("right answer", *labels), tuple(rows)))
    shown = [(str(one.index), _short(one.example), one.expected, one.given) for one in wrong[:EXAMPLES]]
    caption = f"{of}: {first} {word}, {count_of(len(shown), 'example')}."
    return Captioned(caption, Table(("number", "example", "right", "given"), tuple(shown)))


def _short(text: str) -> str:
    """The end of a long text: what is asked stands there."""
    return text if len(text) <= LETTERS else f"... {text[-LETTERS:].partition(' ')[2]}"
