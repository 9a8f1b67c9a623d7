"""Fabric in this process, and what is said where a device, a precision or another process is missing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from liafseq.tasks.training import launch as launching
from liafseq.tasks.training.launch import launch, make_fabric
from liafseq.tasks.training.processes import check_meeting, elastic, first_process


@pytest.mark.parametrize(
    "fields", [{"device": "nothing"}, {"precision": "12-true"}, {"device": "cuda"}, {"devices": 0}]
)
def test_a_device_or_precision_that_is_not_there(fields):
    if fields.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    expected = "is unknown, or not for" if "precision" in fields else "cannot be had on this machine"
    with pytest.raises(ValueError, match=expected):
        make_fabric(**fields)


def test_launch_in_this_process():
    told = []
    found = launch(lambda fabric, a, b, tell: (fabric.world_size, a + b, tell), 1, 2, progress=told.append)
    assert found == (1, 3, told.append)


def test_an_error_of_a_spawned_process_comes_back_whole(monkeypatch):
    def fails(*_):
        raise FileNotFoundError("no such file: x")

    class Fabric:
        is_global_zero = True
        world_size = 2

        def barrier(self):
            pass

        strategy = type("Strategy", (), {"launcher": type("Launcher", (), {"_start_method": "spawn"})})

        def launch(self, function):
            return function(self)

    monkeypatch.setattr(launching, "make_fabric", lambda *_: Fabric())
    with pytest.raises(FileNotFoundError, match="no such file: x"):
        launch(fails, progress=None, devices=2)


def test_a_lost_peer_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fabric:
        world_size = 2
        strategy = type("Strategy", (), {"launcher": None})

        def barrier(self) -> None:
            pass

    def fails(*_: Any) -> None:
        raise RuntimeError("[../third_party/gloo/transport/tcp/pair.cc:534] Connection closed by peer")

    monkeypatch.setattr(launching, "make_fabric", lambda *_: Fabric())
    with pytest.raises(RuntimeError, match="another process of the run is gone, or silent for too long"):
        launch(fails)


def test_several_machines_must_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="nodes=2: start the same command on each"):
        make_fabric(nodes=2)
    monkeypatch.setenv("NODE_RANK", "1")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    assert check_meeting(2) == (1, 29500)
    assert not first_process()
    monkeypatch.setenv("NODE_RANK", "2")
    with pytest.raises(ValueError, match="with NODE_RANK=0 to 1"):
        check_meeting(2)


def test_torchruns_processes_are_those_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert elastic() is None
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert elastic() == (2, 2)
    with pytest.raises(ValueError, match="torchrun has started 2 processes on each of 2 machines"):
        make_fabric(devices=3)
