"""Networks of the tasks as ONNX files."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.utils._pytree import tree_map

from liafseq.tasks.storage.files import write_atomic

if TYPE_CHECKING:
    from liafseq.tasks.training.trained import Trained

__all__ = ["write_onnx", "write_trained"]

_NEEDED = ("onnx", "onnxscript")


def write_trained(trained: Trained, path: str | os.PathLike[str]) -> Path:
    """Writes a trained network as an ONNX file; test examples of its data say how it is called.

    A network that takes a state, as a language model does, takes and gives it in the file too.

    Raises:
        ModuleNotFoundError, ValueError, OSError: as :func:`write_onnx`.
    """
    batch, _ = trained.task.sample(trained.config, trained.data, 2)
    inputs = [_two(item) if isinstance(item, Tensor) else item for item in tuple(batch)[:-1]]
    if any(item is None for item in inputs):  # the state at rest
        with torch.no_grad():
            _, state = trained.network(*inputs)
        inputs = [tree_map(torch.zeros_like, state) if item is None else item for item in inputs]
    return write_onnx(trained.network, inputs, path)


def _two(tensor: Tensor) -> Tensor:
    """Two sequences, where there is one."""
    return torch.cat([tensor, tensor], 1) if tensor.dim() > 1 and tensor.shape[1] == 1 else tensor


def write_onnx(network: nn.Module, inputs: Sequence[Any], path: str | os.PathLike[str]) -> Path:
    """Writes a network as an ONNX file, whole or not at all.

    Steps and sequences may be any number in the file: the first two dimensions of every input are open, or
    the first of one with one dimension, as far as the network takes any size there. Of lengths (N) the values
    are read, not kept. The names of the inputs are those of ``forward``; outputs stand in its order.

    Args:
        network: of a task, or any that takes (T, N, ...). It is exported as in evaluation.
        inputs: an example of the arguments, such as all but the last of a batch of :meth:`Task.sample`: two
            sequences of two steps at least, on the CPU.
        path: the file.

    Raises:
        ModuleNotFoundError: the extra ``onnx`` is not installed.
        ValueError: a network, or an example, that cannot be exported; says why.
        OSError: the file cannot be written.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(f"ONNX needs {' and '.join(missing)}: pip install 'liafseq[onnx]'")
    training = network.training
    network.eval()
    try:
        with _quiet(), torch.no_grad():
            program = _program(network, tuple(inputs))
            made: Any = torch.onnx.export(program, dynamo=True, verbose=False)
    finally:
        network.train(training)
    return write_atomic(path, made.model_proto.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter tells of its own parts."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _program(network: nn.Module, inputs: tuple[Any, ...]) -> torch.export.ExportedProgram:
    name = type(network).__name__
    first = inputs[0]
    if min(first.shape[:2]) < 2:
        raise ValueError(
            f"{name}: the example should have two sequences of two steps at least, got: {tuple(first.shape)}"
        )
    shapes = tree_map(lambda t: _open(t) if isinstance(t, Tensor) else None, inputs)
    try:
        program = torch.export.export(network, inputs, dynamic_shapes=shapes)
    except (TypeError, RuntimeError, ValueError) as error:
        raise ValueError(f"{name}: cannot be exported: {str(error).splitlines()[0]}") from error
    given = next(node for node in program.graph.nodes if node.name == program.graph_signature.user_inputs[0])
    for what, size in zip(("steps", "sequences"), given.meta["val"].shape, strict=False):
        if is_concrete_int(size):
            raise ValueError(f"{name}: cannot be exported: it takes {size} {what} only")
    return program


def _open(tensor: Tensor) -> dict[int, Any]:
    return dict.fromkeys(range(min(2, tensor.dim())), Dim.AUTO)
