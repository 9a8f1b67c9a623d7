"""One step at a time: a cell, or a layer on pieces of any length; with the state passed on all is the same.

Run: python examples/streaming.py
"""

from __future__ import annotations

import torch

from liafseq import LIF, LIFCell


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    signal = 2 * torch.randn(100, 1, 4)  # (T, N, features)

    layer = LIF(4, 8)
    whole, _ = layer(signal)

    state = None
    pieces = []
    for piece in signal.split(7):  # as they arrive
        spikes, state = layer(piece, state)
        pieces.append(spikes)
    print("pieces equal the whole:", torch.equal(torch.cat(pieces), whole))

    cell = LIFCell(4, 8)
    names = {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
    cell.load_state_dict(names)
    state = None
    steps = []
    for x in signal:
        state = cell(x, state)  # (spikes, membrane potential)
        steps.append(state[0])
    print("a cell equals the layer:", torch.equal(torch.stack(steps), whole))
    print(f"spikes per neuron and step: {whole.mean():.2f}")


if __name__ == "__main__":
    main()
