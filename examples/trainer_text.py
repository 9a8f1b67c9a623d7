"""A classifier of texts under the Trainer of transformers: training, metrics, save and from_pretrained.

Run: pip install "liafseq[ecosystem]"; python examples/trainer_text.py
"""

from __future__ import annotations

import random
import tempfile

import torch
from text_classifier import WORDS, sentence
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence
from transformers import PretrainedConfig, PreTrainedModel, PrinterCallback, Trainer, TrainingArguments
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

import liafseq


class Config(PretrainedConfig):
    model_type = "spiking-classifier"

    def __init__(self, words: int = len(WORDS), hidden_size: int = 32, **more: object) -> None:
        super().__init__(**more)
        self.words, self.hidden_size = words, hidden_size


class Classifier(PreTrainedModel):
    config_class = Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.words, config.hidden_size)
        self.rnn = liafseq.LIAF(config.hidden_size, config.hidden_size, gated=True, batch_first=True)
        self.head = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """As torch draws them: N(0, 0.02) is too weak for neurons. What was loaded stays."""
        if hasattr(module, "reset_parameters"):
            tensors = module.state_dict(keep_vars=True).items()
            loaded = {n: t.clone() for n, t in tensors if getattr(t, "_is_hf_initialized", False)}
            module.reset_parameters()
            module.load_state_dict(loaded, strict=False)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        x, lengths = self.embedding(input_ids), attention_mask.sum(1).cpu()
        _, (last, _) = self.rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        logits = self.head(last[-1])
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def collate(rows: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    texts, labels = zip(*rows, strict=True)
    ids = pad_sequence(list(texts), batch_first=True, padding_value=-1)
    return {"input_ids": ids.relu(), "attention_mask": ids >= 0, "labels": torch.tensor(labels)}


def main() -> None:
    logging.disable_progress_bar()
    chance = random.Random(0)
    train, test = ([sentence(chance) for _ in range(count)] for count in (2000, 500))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=3, per_device_train_batch_size=64, learning_rate=1e-2, seed=0,
            report_to=[], save_strategy="no", disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        trainer = Trainer(
            args=arguments, data_collator=collate, train_dataset=train, eval_dataset=test,
            model_init=lambda: Classifier(Config()),
            compute_metrics=lambda p: {"accuracy": (p.predictions.argmax(-1) == p.label_ids).mean()},
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        print(f"accuracy on new sentences: {trainer.evaluate()['eval_accuracy']:.1%}")
        trainer.save_model()
        again = Classifier.from_pretrained(folder)
    with torch.no_grad():
        logits = [model.eval()(**collate(test)).logits for model in (trainer.model, again)]
    print("from_pretrained gives the same logits:", torch.equal(*logits))


if __name__ == "__main__":
    main()
