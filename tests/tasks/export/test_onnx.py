"""Networks of the tasks as ONNX files, in onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.babi.story_model import StoryModel
from liafseq.tasks.dvs.model import LiafNet
from liafseq.tasks.dvs.net import NetConfig
from liafseq.tasks.lm.config import LmConfig
from liafseq.tasks.lm.network import LanguageNetwork
from liafseq.tasks.sequences.reader import Reader

pytest.importorskip("onnx", reason="exports to ONNX need it")
pytest.importorskip("onnxscript", reason="exports to ONNX need it")
runtime = pytest.importorskip("onnxruntime", reason="runs what is exported")

from liafseq.tasks.export.onnx import write_onnx  # noqa: E402

pytestmark = [
    # onnxscript's own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def some(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(1, 7, (max(lengths), len(lengths))), torch.tensor(lengths)


def reader(**fields: Any) -> Any:
    return Reader("liaf", 4, 5, 3, words=7, **fields), lambda *lengths: some(*lengths)


def questions() -> Any:
    config = BabiConfig(model="lif:gated=true", hidden_size=6, embedding_size=4, readout="both")
    return BabiModel(config, 7, 3), lambda *lengths: (*some(*lengths), *some(*([2] * len(lengths))))


def stories() -> Any:
    config = BabiConfig(model="liaf", kind="story", hidden_size=8, embedding_size=4)

    def batch(*lengths: int) -> tuple[torch.Tensor, ...]:
        sentences = len(lengths) + 3
        words = some(*([4, 2, 3] * sentences)[:sentences])
        story = torch.randint(0, sentences, (max(lengths), len(lengths)))
        return (*words, story, torch.tensor(lengths), *some(*([3, 2] * len(lengths))[: len(lengths)]))

    return StoryModel(config, 7, 3), batch


def frames(model: str, **fields: Any) -> Any:
    config = NetConfig(model=model, channels=(3, 4), hidden_size=5, **fields)
    return LiafNet(config, 2, (7, 8), 3), lambda *lengths: (
        torch.rand(max(lengths), len(lengths), 2, 7, 8),
        torch.tensor(sorted(lengths, reverse=True)),
    )


def language() -> Any:
    network = LanguageNetwork(LmConfig(model="liaf", embedding_size=4, hidden_size=5), 7)
    return network, lambda *lengths: (some(*lengths)[0], tuple(torch.randn(2, 1, len(lengths), 5)))


CASES = {
    "reader": lambda: reader(bidirectional=True),
    "reader-attention": lambda: reader(pooling="attention"),
    "reader-steps": lambda: reader(pooling="steps"),
    "questions": questions,
    "stories": stories,
    "frames-conv": lambda: frames("conv-liaf"),
    "frames-flat": lambda: frames("liaf"),
    "frames-conv3d": lambda: frames("conv3d"),
    "language": language,
}
RARE = ("reader-attention", "reader-steps", "stories")


def flat(result: Any) -> list[torch.Tensor]:
    if result is None:
        return []
    return [result] if isinstance(result, torch.Tensor) else [t for part in result for t in flat(part)]


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.exhaustive) if case in RARE else case for case in CASES]
)
def test_a_file_gives_what_the_network_does(case: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, inputs = CASES[case]()
    network.train()
    path = write_onnx(network, inputs(3, 3, 2), tmp_path / "new" / "model.onnx")
    assert network.training
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    network.eval()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path.read_bytes(), options)
    names = [given.name for given in session.get_inputs()]
    for lengths in ((7, 2), (4, 5, 1, 3, 2)):
        given = inputs(*lengths)
        expected = flat(network(*given))
        found = session.run(None, dict(zip(names, (t.numpy() for t in flat(given)), strict=True)))
        for a, b in zip(found, expected, strict=True):
            a, b = torch.from_numpy(a), b.detach()
            if case == "reader-steps":
                inside = torch.arange(max(lengths))[:, None] < torch.tensor(lengths)
                a, b = a[inside], b[inside]
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("network", "inputs", "words"),
    [
        (lambda: Reader("gru", 4, 5, 3, words=7), some(3, 2), "Reader: cannot be exported: padded: of an"),
        (lambda: Reader("liaf", 4, 5, 3, words=7), some(3), r"two sequences of two steps.*got: \(3, 1\)"),
        (lambda: Fixed(), some(3, 2)[:1], "Fixed: cannot be exported: it takes 3 steps only"),
    ],
)
def test_what_cannot_be_exported_says_why(network: Any, inputs: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        write_onnx(network(), inputs, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class Fixed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.arange(3)[:, None]
