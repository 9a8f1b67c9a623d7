from __future__ import annotations

import json

import pytest
import torch

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.costs import cost_columns, cost_note, run_cost, summarise_cost

HIDDEN, EMBEDDING, ANSWERS = 8, 6, 5
STORIES, QUESTIONS = [9, 4, 6], [3, 3, 2]


def batch():
    generator = torch.Generator().manual_seed(1)
    story = torch.randint(2, 20, (max(STORIES), 3), generator=generator)
    question = torch.randint(2, 20, (max(QUESTIONS), 3), generator=generator)
    return story, torch.tensor(STORIES), question, torch.tensor(QUESTIONS)


def counted(name, **settings):
    torch.manual_seed(0)
    config = BabiConfig(model=name, hidden_size=HIDDEN, embedding_size=EMBEDDING, readout="output", **settings)
    return run_cost(BabiModel(config, 20, ANSWERS), batch(), 3)


@pytest.mark.parametrize(
    ("name", "gates"),
    [("liaf", 1), ("lif", 1), ("dalif", 1), ("mlif", 1), ("rnn", 1), ("gru", 3), ("lstm", 4)],
)
def test_counts_of_the_babi_network_by_hand(name, gates):
    found = counted(name)
    words = sum(STORIES) * (EMBEDDING + HIDDEN + HIDDEN) + sum(QUESTIONS) * (EMBEDDING + HIDDEN)
    assert found["dense_macs"] == (gates * words * HIDDEN) / 3 + HIDDEN * ANSWERS
    layers = (EMBEDDING + HIDDEN) + (EMBEDDING + HIDDEN + HIDDEN)
    assert found["weights"] == gates * layers * HIDDEN + HIDDEN * ANSWERS
    assert found["samples"] == 3
    assert found["uncounted"] == []
    spiking = name in ("lif", "dalif", "mlif")
    assert (found["acs"] > 0) == spiking
    assert (found["firing_rate"] is not None) == spiking
    assert found["energy_nj"] == pytest.approx((4.6 * found["macs"] + 0.9 * found["acs"]) / 1000)
    assert found["energy_nj"] < found["dense_energy_nj"]


def test_a_run_can_keep_it_and_it_repeats():
    found = counted("lif")
    assert json.loads(json.dumps(found, allow_nan=False)) == found == counted("lif")
    assert "time" not in found
    assert "seconds" not in found


def cost(**values):
    base = {"weights": 10, "dense_macs": 4.0, "macs": 2.0, "acs": 1.0, "neuron_ops": 0, "energy_nj": 5.0,
            "dense_energy_nj": 9.0, "firing_rate": None, "crossing_rate": 0.5,
            "energy_model": {"mac_pj": 4.6, "ac_pj": 0.9}}  # fmt: skip
    return {**base, **values}


def test_means_over_the_runs_of_a_model():
    rows = [
        {"cost": cost(macs=2, firing_rate=0.25, weights=12)},
        {"cost": cost(macs=5)},
        {"status": "failed"},
        {"cost": None},
    ]
    found = summarise_cost(rows)
    assert (found["macs"], found["acs"], found["energy_nj"]) == (3.5, 1.0, 5.0)
    assert (found["firing_rate"], found["crossing_rate"]) == (0.25, 0.5)
    assert (found["weights"], found["runs"]) == ([10, 12], 2)
    assert found["energy_model"] == {"mac_pj": 4.6, "ac_pj": 0.9}
    assert summarise_cost([{"status": "failed"}]) is None


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([614_400.0, 2_457_600.0, 0.0], ["0.614 M", "2.46 M", "0"]),
        ([61_400.0, 2_457_600.0], ["61.4 k", "2,458 k"]),
        ([12.0, 2_000.0], ["12.0", "2,000"]),
        ([3.2e9, 1.5e6], ["3,200 M", "1.50 M"]),
        ([0.0], ["0"]),
    ],
)
def test_a_column_has_one_unit(values, cells):
    names, rows = cost_columns([{"cost": cost(macs=value)} for value in values])
    assert names == ["MAC", "AC", "energy"]
    assert [row[0] for row in rows] == cells


def test_units_of_energy():
    entries = [{"cost": cost(energy_nj=2826.24)}, {"cost": cost(energy_nj=11_305.0)}, {}]
    assert [row[2] for row in cost_columns(entries)[1]] == ["2.83 µJ", "11.3 µJ", "-"]
    assert cost_columns(entries, ascii_only=True)[1][0][2] == "2.83 uJ"


def test_without_costs_there_are_no_columns():
    assert cost_columns([{}, {"cost": None}]) == ([], [[], []])
    assert cost_columns([]) == ([], [])
    assert cost_note([{}]) is None


def test_the_note_states_the_energy_model():
    note = cost_note([{}, {"cost": cost()}])
    assert "4.6 pJ a multiply-accumulate" in note
    assert "Horowitz 2014" in note
    assert "without memory traffic" in note
