"""Trains a language model on a text file, scores it, and lets it go on.

Run: python examples/lm_continue.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from liafseq.tasks import load
from liafseq.tasks.lm.config import LmConfig
from liafseq.tasks.lm.task import LanguageModel
from liafseq.tasks.training.run import run

TEXT = "the cat sat on the mat.\nthe dog sat on the log.\n" * 60


def main() -> None:
    task = LanguageModel()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "cats.txt")
        source.write_text(TEXT)
        for model in ("liaf:gated=true", "gru"):
            config = LmConfig(
                model=model, source=str(source), hidden_size=32, batch_size=8, window=16, learning_rate=0.02
            )
            outcome = run(task, config, Path(folder, config.key()))
            said = load(Path(folder, config.key())).predict("the cat", length=16, temperature=0.0)
            print(f"{model}: {task.metric.text(outcome.mean('bits per token'))} bits per character: {said!r}")


if __name__ == "__main__":
    main()
