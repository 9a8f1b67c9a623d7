"""Images of one's own as spikes: one network on the same images in three codings, and an answer for a file.

Run: python examples/images_coding.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from liafseq.tasks import load
from liafseq.tasks.images.config import ImagesConfig
from liafseq.tasks.task import find
from liafseq.tasks.training.run import run


def bars(count: int, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noisy grey images (count, 8, 8) of a bar that stands or lies."""
    x = chance.integers(0, 90, (count, 8, 8))
    y = np.where(chance.random(count) < 0.5, "lying", "standing")
    for image, name in zip(x, y, strict=True):
        at = chance.integers(1, 7)
        (image if name == "lying" else image.T)[at] += 160
    return x.astype(np.uint8), y


def main() -> None:
    task, chance = find("images"), np.random.default_rng(0)
    x, y = bars(800, chance)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "bars.npz", x=x, y=y)
        for coding in ("direct", "rate", "latency"):
            config = ImagesConfig(
                model="conv-liaf", source=str(folder / "bars.npz"), coding=coding, channels=(8,), epochs=8
            )
            outcome = run(task, config, folder / coding)
            print(f"{coding}: {task.metric.text(outcome.mean('accuracy'))}% of {task.word}")
        (image, _), (right, _) = bars(2, chance)
        Image.fromarray(image).save(folder / "new.png")
        print(f"a {right} bar: {load(folder / 'direct').predict(str(folder / 'new.png'))}")


if __name__ == "__main__":
    main()
