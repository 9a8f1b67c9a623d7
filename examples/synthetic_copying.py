"""Copying: symbols are shown, then blanks, then they are asked for; what three layers remember.

Run: python examples/synthetic_copying.py
From the command line about the same: liafseq compare synthetic --models gru,lif,liaf:gated=true
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from liafseq.tasks import load
from liafseq.tasks.synthetic.config import SyntheticConfig
from liafseq.tasks.synthetic.task import Synthetic
from liafseq.tasks.training.run import run


def main() -> None:
    task = Synthetic()
    with tempfile.TemporaryDirectory() as folder:
        for model in ("gru", "lif", "liaf:gated=true"):
            config = SyntheticConfig(
                model=model,
                length=5,
                symbols=4,
                items=4,
                sequences=1200,
                test_sequences=64,
                hidden_size=32,
                epochs=10,
                batch_size=16,
                learning_rate=0.01,
            )
            place = Path(folder) / model.replace(":", "-")
            outcome = run(task, config, place)
            print(f"{model}: {task.metric.text(outcome.mean('accuracy'))}% of the symbols")
        said = load(place).predict("2 0 1 3 - - - - - ? ? ? ?")
    print(f"2 0 1 3: {said}")


if __name__ == "__main__":
    main()
