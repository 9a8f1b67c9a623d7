"""A model of a padded batch leaves PyTorch: as an ONNX file that onnxruntime runs.

Run: python examples/export_onnx.py            (pip install 'liafseq[onnx]')
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn
from torch.export import Dim

from liafseq import LIAF, padded

STEPS, BATCH, SIZE = 100, 32, 128


class Model(nn.Module):
    """Classifies sequences of their own lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = LIAF(SIZE, SIZE), nn.Linear(SIZE, 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        _, (h, _) = padded(self.layer, x, lengths)
        return self.head(h[-1])


def milliseconds(run: Callable[[], Any], times: int = 10) -> float:
    """The shortest of some calls."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return 1000 * min(found)


def main() -> None:
    torch.manual_seed(0)
    model = Model().eval()
    # an example; both sizes stay open
    x, lengths = torch.randn(5, 3, SIZE), torch.tensor([5, 2, 4])
    file = io.BytesIO()
    shapes = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {0: Dim.DYNAMIC})
    torch.onnx.export(model, (x, lengths), file, dynamo=True, dynamic_shapes=shapes, verbose=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file.getvalue(), options)

    x, lengths = torch.randn(STEPS, BATCH, SIZE), torch.randint(1, STEPS + 1, (BATCH,))
    given = {"x": x.numpy(), "lengths": lengths.numpy()}
    with torch.no_grad():
        difference = (model(x, lengths) - torch.from_numpy(session.run(None, given)[0])).abs().max()
        print(f"difference: {difference:.0e}")
        own = milliseconds(lambda: model(x, lengths))
        # of all steps: no sequence is shorter
        whole = torch.full_like(lengths, STEPS)
        full = milliseconds(lambda: model(x, whole))
    print(f"PyTorch: {own:.1f} ms, {full:.1f} ms where all sequences are as long as the longest")
    print(f"onnxruntime: {milliseconds(lambda: session.run(None, given)):.1f} ms")


if __name__ == "__main__":
    main()
