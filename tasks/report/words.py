"""Figures, durations and lists as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "duration",
    "listed",
    "number",
    "number_range",
    "p_value",
    "percent",
    "points",
    "task_key",
    "task_name",
    "task_title",
]


def task_key(task: str) -> tuple[bool, int, str]:
    """Sorts tasks: numbers in their order, then names.

    >>> sorted(["nmnist", "12", "6"], key=task_key)
    ['6', '12', 'nmnist']
    """
    return (not task.isdecimal(), int(task) if task.isdecimal() else 0, task)


def task_name(task: Any) -> str:
    """A task in a table's header.

    >>> task_name("6"), task_name("nmnist")
    ('task 6', 'nmnist')
    """
    return f"task {task}" if str(task).isdecimal() else str(task)


def task_title(task: Any, titles: Mapping[Any, str] | None = None) -> str:
    """A task with the name that ``titles`` (by number or text) has for it.

    >>> task_title("6", {6: "yes-no-questions"}), task_title("nmnist")
    ('task 6: yes no questions', 'nmnist')
    """
    name = (titles or {}).get(task) or (titles or {}).get(str(task))
    if name is None and str(task).isdecimal():
        name = (titles or {}).get(int(task))
    return f"{task_name(task)}: {name.replace('-', ' ')}" if name else task_name(task)


def listed(words: Iterable[Any], last: str = "and") -> str:
    """Words in a row.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    found = [str(word) for word in words]
    return f"{', '.join(found[:-1])} {last} {found[-1]}" if len(found) > 1 else "".join(found)


def percent(value: float | None, missing: str = "-") -> str:
    """A share in percent, with one digit.

    >>> percent(0.547), percent(None)
    ('54.7', '-')
    """
    return missing if value is None else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of accuracies.

    >>> points(0.012), points(-0.001), points(0.0)
    ('+1.2', '-0.1', '0.0')
    """
    text = f"{100 * value:+.1f}"
    return "0.0" if float(text) == 0 else text


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
    if bounds is None:
        return "-"
    low, high = bounds
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
