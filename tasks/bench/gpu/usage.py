"""What surrounds a layer on a GPU: captures, streams, autocast, several processes."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import torch
from torch import Tensor, nn

from liafseq import LIAF

__all__ = ["USES", "one_call"]

Found = dict[str, Any]


def _layer(hidden: int = 128, **options: Any) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return LIAF(64, hidden, **options).cuda(), torch.randn(70, 32, 64, device="cuda")


def one_call(hidden: int = 100, batch: int = 5, steps: int = 70, gated: bool = True) -> None:
    """A training step of odd sizes, for a tool that watches the process."""
    layer = LIAF(7, hidden, gated=gated).cuda()
    layer(torch.randn(steps, batch, 7, device="cuda"))[0].square().sum().backward()
    torch.cuda.synchronize()


def _captured(hidden: int, first: bool) -> Found:
    layer, x = _layer(hidden)
    with torch.no_grad():
        if not first:
            layer(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = layer(x)[0]
        x.copy_(torch.randn_like(x))
        graph.replay()
        error = float((output - layer(x)[0]).abs().max())
    return {"error": error, "ok": error < 1e-4}


def _side_stream(hidden: int = 300) -> Found:
    layer, x = _layer(hidden)
    expected = layer(x)[0]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        found = layer(x)[0]
    torch.cuda.current_stream().wait_stream(stream)
    return {"ok": torch.equal(found, expected)}


def _scaled() -> Found:
    layer, x = _layer()
    scaler, optimizer = torch.amp.GradScaler("cuda"), torch.optim.SGD(layer.parameters(), 0.01)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16):
            loss = layer(x)[0].square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(float(loss))
    return {"losses": losses, "ok": all(torch.tensor(losses).isfinite()) and losses[-1] < losses[0]}


def _compiled(hidden: int) -> Found:
    layer, x = _layer(hidden)
    expected, found = layer(x)[0], torch.compile(layer, fullgraph=True)(x)[0]
    error = float((found - expected).abs().max())
    return {"error": error, "ok": error < 1e-4}


def _process(rank: int, where: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{where}", rank=rank, world_size=2)
    layer, x = _layer()
    both = nn.parallel.DistributedDataParallel(layer)
    both(x + rank)[0].square().mean().backward()
    torch.distributed.destroy_process_group()


def _two_processes() -> Found:
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_process, (os.path.join(folder, "meeting"),), nprocs=2)  # noqa: PTH118
    return {"ok": True}


USES = {
    "first call inside a capture": lambda: _captured(128, True),
    "a capture after a warm-up": lambda: _captured(128, False),
    "a capture of a wide layer": lambda: _captured(512, False),
    "side stream": _side_stream,
    "autocast with GradScaler": _scaled,
    "torch.compile": lambda: _compiled(128),
    "torch.compile of a wide layer": lambda: _compiled(512),
    "two processes of DDP": _two_processes,
}
