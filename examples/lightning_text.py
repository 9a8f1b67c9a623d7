"""A classifier of texts under Lightning: a LightningModule, a Trainer, a checkpoint and back.

Run: pip install "liafseq[ecosystem]"; python examples/lightning_text.py
"""

from __future__ import annotations

import logging
import random
import tempfile
import warnings
from pathlib import Path

import lightning
import torch
from text_classifier import Classifier, sentence
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import DataLoader


def collate(rows: list[tuple[Tensor, int]]) -> tuple[PackedSequence, Tensor]:
    texts, labels = zip(*rows, strict=True)
    return pack_sequence(list(texts), enforce_sorted=False), torch.tensor(labels)


class Learner(lightning.LightningModule):
    def __init__(self, lr: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = Classifier()

    def training_step(self, batch: tuple[PackedSequence, Tensor], batch_idx: int) -> Tensor:
        words, labels = batch
        return cross_entropy(self.model(words), labels)

    def test_step(self, batch: tuple[PackedSequence, Tensor], batch_idx: int) -> None:
        words, labels = batch
        right = (self.model(words).argmax(-1) == labels).float().mean()
        self.log("accuracy", right, batch_size=len(labels))  # of words it cannot know the size

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), self.hparams["lr"])


def main() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # the second is torch's of what Lightning calls
    warnings.filterwarnings("ignore", ".*does not have many workers|.*LeafSpec.* is deprecated")
    torch.manual_seed(0)
    chance = random.Random(0)
    train, test = ([sentence(chance) for _ in range(count)] for count in (2000, 500))
    batches = DataLoader(train, 64, shuffle=True, collate_fn=collate)
    tests = DataLoader(test, 64, collate_fn=collate)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", gradient_clip_val=1.0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    learner = Learner()
    trainer.fit(learner, batches)
    (scores,) = trainer.test(learner, tests, verbose=False)
    print(f"accuracy on new sentences: {scores['accuracy']:.1%}")
    with tempfile.TemporaryDirectory() as folder:
        trainer.save_checkpoint(path := Path(folder) / "learner.ckpt")
        again = Learner.load_from_checkpoint(path)
    print("the same from its checkpoint:", trainer.test(again, tests, verbose=False) == [scores])


if __name__ == "__main__":
    main()
