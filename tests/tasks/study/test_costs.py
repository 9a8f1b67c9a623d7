"""What a network costs: by hand, and over the runs of a model."""

from __future__ import annotations

import json

import pytest
import torch

from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.babi.model import BabiModel
from liafseq.tasks.results import Cost
from liafseq.tasks.study.costs import mean_cost, run_cost

from ..made_outcomes import run_of

HIDDEN, EMBEDDING, ANSWERS = 8, 6, 5
STORIES, QUESTIONS = [9, 4, 6], [3, 3, 2]


def batch():
    generator = torch.Generator().manual_seed(1)
    story = torch.randint(2, 20, (max(STORIES), 3), generator=generator)
    question = torch.randint(2, 20, (max(QUESTIONS), 3), generator=generator)
    return story, torch.tensor(STORIES), question, torch.tensor(QUESTIONS)


def counted(name, **settings):
    torch.manual_seed(0)
    config = BabiConfig(
        model=name, hidden_size=HIDDEN, embedding_size=EMBEDDING, readout="output", **settings
    )
    return run_cost(BabiModel(config, 20, ANSWERS), batch(), 3)


@pytest.mark.parametrize(
    ("name", "gates"),
    [("liaf", 1), ("lif", 1), ("dalif", 1), ("mlif", 1), ("rnn", 1), ("gru", 3), ("lstm", 4)],
)
def test_counts_of_the_babi_network_by_hand(name, gates):
    found = counted(name)
    words = sum(STORIES) * (EMBEDDING + HIDDEN + HIDDEN) + sum(QUESTIONS) * (EMBEDDING + HIDDEN)
    assert found.dense_macs == (gates * words * HIDDEN) / 3 + HIDDEN * ANSWERS
    layers = (EMBEDDING + HIDDEN) + (EMBEDDING + HIDDEN + HIDDEN)
    assert found.weights == gates * layers * HIDDEN + HIDDEN * ANSWERS
    assert found.samples == 3
    assert found.uncounted == []
    spiking = name in ("lif", "dalif", "mlif")
    assert (found.acs > 0) == spiking
    assert (found.firing_rate is not None) == spiking
    assert found.energy_nj == pytest.approx((4.6 * found.macs + 0.9 * found.acs) / 1000)
    assert found.energy_nj < found.dense_energy_nj


def test_a_run_can_keep_it_and_it_repeats():
    found = counted("lif")
    assert Cost(**json.loads(json.dumps(found.to_json(), allow_nan=False))) == found == counted("lif")
    assert not {"time", "seconds"} & set(found.to_json())


def cost(**values):
    base = {"samples": 1, "parameters": 10, "weights": 10, "dense_macs": 4.0, "macs": 2.0, "acs": 1.0,
            "neuron_ops": 0, "energy_nj": 5.0, "dense_energy_nj": 9.0, "firing_rate": None,
            "crossing_rate": 0.5, "energy_model": {"mac_pj": 4.6, "ac_pj": 0.9}, "uncounted": []}  # fmt: skip
    return Cost(**{**base, **values})


def test_means_over_the_runs_of_a_model():
    costs = [cost(macs=2, firing_rate=0.25, weights=12), cost(macs=5), None]
    runs = [run_of("lif", seed, {"task 1": 0.5}, cost=found) for seed, found in enumerate(costs)]
    runs.append(run_of("lif", 3, {"task 1": None}))
    found = mean_cost(runs)
    assert (found.macs, found.acs, found.energy_nj) == (3.5, 1.0, 5.0)
    assert (found.firing_rate, found.crossing_rate) == (0.25, 0.5)
    assert (found.weights, found.runs) == ((10, 12), 2)
    assert found.energy_model == {"mac_pj": 4.6, "ac_pj": 0.9}
    assert mean_cost(runs[3:]) is None
