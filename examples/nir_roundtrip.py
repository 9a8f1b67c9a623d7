"""A network goes to a file of NIR, which other spiking packages and chips read, and comes back.

Run: pip install "liafseq[nir]"; python examples/nir_roundtrip.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from liafseq import LIAF, LIF, ConvLIF, over_time
from liafseq.nir import from_nir, to_nir


@torch.no_grad()
def main() -> None:
    try:
        import nir
    except ModuleNotFoundError:
        print("this example needs nir: pip install 'liafseq[nir]'")
        return
    torch.manual_seed(0)
    maps, pool, vectors = ConvLIF(2, 4, 3, padding=1), nn.AvgPool2d(2), LIF(64, 10)
    events = torch.randn(20, 3, 2, 8, 8)  # (T, N, C, H, W)
    spikes, _ = vectors(over_time(pool, maps(events)[0]).flatten(2))

    graph = to_nir([maps, pool, nn.Flatten(), vectors], input_shape=(2, 8, 8))
    print("nodes:", ", ".join(graph.nodes))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        nir.write(path, graph)
        network = from_nir(path)

    print("layers:", ", ".join(type(layer).__name__ for layer in network.layers.values()))
    again, _ = network(events)
    print(f"{100 * (again == spikes).float().mean():.1f}% of the spikes are the same")

    try:
        to_nir(LIAF(4, 5))
    except ValueError as error:
        print("LIAF:", error)


if __name__ == "__main__":
    main()
