"""How many parameters a run trains, and the hidden size for a given number of them."""

from __future__ import annotations

from dataclasses import replace

from liafseq.tasks.babi.config import BabiRun

__all__ = ["count_parameters", "match_parameters"]


def count_parameters(config: BabiRun) -> int:
    """The number of parameters that a run would train.

    The vocabulary counts, so the training data is read (once a process for equal data); no weight
    is allocated.
    """
    from liafseq.tasks.babi.data import vocabulary_sizes

    return _count(config, *vocabulary_sizes(config))


def match_parameters(config: BabiRun, target: int, tolerance: float = 0.02) -> BabiRun:
    """The run with the hidden size that brings its number of parameters nearest to a target.

    Args:
        config: the run; its own hidden size does not matter.
        target: number of parameters, as of :func:`count_parameters`.
        tolerance: largest relative difference.

    Raises:
        ValueError: no hidden size comes that near; tells the nearest.
    """
    from liafseq.tasks.babi.data import vocabulary_sizes

    if target < 1:
        raise ValueError(f"target must be at least 1 parameter, got {target}")
    sizes = vocabulary_sizes(config)

    def count(hidden: int) -> int:
        return _count(replace(config, hidden_size=hidden), *sizes)

    low, high = 0, 1  # more hidden units make more parameters: low is too few, high is enough
    while count(high) < target:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < target else (low, middle)
    nearest = min((size for size in (low, high) if size), key=lambda size: abs(count(size) - target))
    found = count(nearest)
    if abs(found - target) > tolerance * target:
        raise ValueError(
            f"no hidden size gives {config.model} {target} parameters within {tolerance:.1%}; "
            f"the nearest is hidden_size={nearest} with {found}"
        )
    return replace(config, hidden_size=nearest)


def _count(config: BabiRun, words: int, answers: int) -> int:
    import torch

    from liafseq.tasks.babi.kinds import build_model

    with torch.device("meta"):
        model = build_model(config, words, answers)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
