"""Tensors and JSON in one file."""

from __future__ import annotations

import pytest
import torch

from liafseq.tasks.storage.checkpoint import load_tensors, read_state, save_tensors


def test_tensors_and_state_in_one_file(tmp_path):
    shared = torch.arange(6.0).view(2, 3)
    tensors = {"a": shared.t(), "b": shared, "step": torch.tensor(3.0), "half": torch.ones(2).bfloat16()}
    state = {"x": [0.1 + 0.2, None, "ä"]}
    path = save_tensors(tmp_path / "x.safetensors", tensors, state)
    content = path.read_bytes()
    loaded, about = load_tensors(path)
    assert about == state == read_state(path)
    assert all(loaded[name].equal(tensor) for name, tensor in tensors.items())
    assert save_tensors(tmp_path / "y.safetensors", tensors, state).read_bytes() == content
    with pytest.raises(FileNotFoundError, match=r"z\.safetensors"):
        load_tensors(tmp_path / "z.safetensors")


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = save_tensors(tmp_path / "checkpoint.safetensors", {"a": torch.zeros(2)}, {})

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(OSError, match=r"checkpoint\.safetensors: cannot be read: Permission denied"):
        load_tensors(path)
