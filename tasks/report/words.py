"""Figures, durations and lists as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = [
    "COUNTS", "JOULES", "count_of", "duration", "in_one_unit", "listed", "number", "number_range", "p_value",
]  # fmt: skip

COUNTS = (" G", " M", " k", "")
JOULES = (" J", " mJ", " µJ", " nJ")


def listed(words: Iterable[Any], last: str = "and") -> str:
    """Words in a row.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    texts = [str(word) for word in words]
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def count_of(count: int, thing: str) -> str:
    """A number of things.

    >>> count_of(1, "seed"), count_of(1200, "run")
    ('1 seed', '1,200 runs')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def p_value(value: float) -> str:
    """A p-value with as many digits as it is worth.

    >>> p_value(0.00003), p_value(0.0312), p_value(0.25), p_value(1.0)
    ('<\\xa00.001', '0.031', '0.25', '1')
    """
    if value < 0.001:
        return "<\N{NO-BREAK SPACE}0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}".rstrip("0").rstrip(".")


def number(value: float) -> str:
    """A number with three significant digits, and thousands set apart.

    >>> number(20331.7), number(1.2345), number(0.00312), number(0)
    ('20,300', '1.23', '0.00312', '0')
    """
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"


def number_range(bounds: Sequence[int] | None) -> str:
    """The smallest and the largest of some whole numbers.

    >>> number_range([29001, 29001]), number_range([20562, 21002]), number_range(None)
    ('29,001', '20,562 to 21,002', '-')
    """
    if not bounds:
        return "-"
    low, high = min(bounds), max(bounds)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def duration(seconds: float | None) -> str:
    """A time.

    >>> duration(12.34), duration(80), duration(3660), duration(None)
    ('12.3 s', '1 min 20 s', '1 h 01 min', '-')
    """
    if seconds is None:
        return "-"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def in_one_unit(values: Sequence[float | None], units: Sequence[str]) -> list[str]:
    """Values of a column with three figures, all in one unit: the largest of which no value that is not zero
    is less than a tenth.

    Args:
        values: in the last of the units; None: there is none.
        units: each a thousand of the next.

    >>> in_one_unit([614_400.0, 2_457_600.0, 0.0, None], COUNTS)
    ['0.614 M', '2.46 M', '0', '-']
    """
    least = min((value for value in values if value), default=0.0)
    scales = [1000.0 ** (len(units) - 1 - at) for at in range(len(units))]
    scale, unit = next(
        (pair for pair in zip(scales, units, strict=True) if least >= pair[0] / 10), (1.0, units[-1])
    )
    return ["-" if value is None else _figures(value / scale, unit) for value in values]


def _figures(value: float, unit: str) -> str:
    if not value:
        return "0"
    return (f"{value:,.0f}" if value >= 100 else f"{value:#.3g}") + unit
