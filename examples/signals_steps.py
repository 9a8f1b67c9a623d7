"""Labels for each step of a signal, from arrays of one's own: does it rise or fall, whatever the noise?

Run: python examples/signals_steps.py
From the command line the same file: liafseq train signals --source waves.npz --model liaf:gated=true
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from liafseq.tasks import load
from liafseq.tasks.signals.config import SignalsConfig
from liafseq.tasks.signals.task import Signals
from liafseq.tasks.training.run import run


def waves(count: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of different periods and phases with noise, (count, steps), and a word for each step."""
    rng = np.random.default_rng(seed)
    period, phase = rng.uniform(12, 24, (count, 1)), rng.uniform(0, 1, (count, 1))
    at = (np.arange(steps) / period + phase) % 1
    return np.abs(2 * at - 1) + 0.02 * rng.normal(size=(count, steps)), np.where(at < 0.5, "fall", "rise")


def main() -> None:
    task = Signals()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        values, labels = waves(300, 40, seed=0)
        np.savez(folder / "waves.npz", x=values, y=labels)
        config = SignalsConfig(
            source=str(folder / "waves.npz"),
            model="liaf:gated=true",
            hidden_size=16,
            epochs=8,
            learning_rate=0.02,
            batch_size=32,
        )
        outcome = run(task, config, folder / "run")
        np.savez(folder / "new.npz", x=waves(1, 24, seed=1)[0])
        said = load(folder / "run").predict(str(folder / "new.npz"))
    print(f"liaf:gated=true: {task.metric.text(outcome.mean('accuracy'))}% of steps")
    print(f"a new wave: {said}")


if __name__ == "__main__":
    main()
