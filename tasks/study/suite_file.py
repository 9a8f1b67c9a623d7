"""A study over several tasks as a file of settings says it: ``[[task]]`` tables under what all share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from liafseq.tasks.settings import FieldError, Flags, flag_of, flags_of
from liafseq.tasks.study.plan import WHERE, StudyOptions
from liafseq.tasks.study.planned import Planned
from liafseq.tasks.task import Task, find
from liafseq.tasks.toml import build, by_field, field_of, lines

__all__ = ["plan_suite", "suite_toml"]


def plan_suite(content: Mapping[str, Any], where: str, over: Mapping[str, Any]) -> dict[str, Planned]:
    """The studies of a suite, by label.

    Args:
        content: of the file: ``task``, a list of tables, each with ``task = NAME``, an optional ``label`` and
            options of the task; beside it options that go to every task that has them. A table goes before
            what stands beside it.
        where: what errors begin with.
        over: settings by field that go before all others, to every task that has them.

    Raises:
        ValueError: a task, an option or a value that cannot be, or models that are not the same in all tasks;
            names the table.
        FieldError: a value of ``over`` that cannot be, or a name that no task has.
    """
    tables = content.get("task")
    if not (isinstance(tables, list) and tables and all(isinstance(table, Mapping) for table in tables)):
        raise ValueError(f'{where}: expected [[task]] tables, each with task = "NAME" and its options')
    shared = {key: value for key, value in content.items() if key != "task"}
    named = [_named(table, f"{where}: [[task]] {at}") for at, table in enumerate(tables, 1)]
    everywhere = {name: info for _, task, _, _ in named for name, info in _flags(task).items()}
    by_field(
        {key: value for key, value in shared.items() if not field_of(key, everywhere)}, everywhere, where
    )
    if unknown := [name for name in over if name not in everywhere]:
        raise FieldError(
            unknown[0], f"is no setting of these tasks ({', '.join(label for label, *_ in named)})"
        )
    found: dict[str, Planned] = {}
    for label, task, own, at in named:
        flags = _flags(task)
        of_table = by_field(own, flags, at)
        if elsewhere := [name for name in WHERE if name in of_table]:
            raise ValueError(
                f"{at}: {elsewhere[0].replace('_', '-')} is of all tasks; say it above the tables"
            )
        said = {
            **by_field({key: value for key, value in shared.items() if field_of(key, flags)}, flags, where),
            **of_table,
            **{name: value for name, value in over.items() if name in flags},
        }
        if label.lower() in map(str.lower, found):
            raise ValueError(f"{at}: label {label!r} is there already; give each table a label of its own")
        try:
            found[label] = _planned(task, said, flags)
        except FieldError as error:
            if error.field in over:
                raise
            name = flag_of(error.field, flags[error.field]) if error.field in flags else error.field
            raise ValueError(f"{at}: {FieldError(name, error.text)}") from None
        _see_same_models(found, label, at)
    return found


def suite_toml(planned: Mapping[str, Planned]) -> str:
    """The file that says a suite: above the tables what is the same in all of them."""
    own = {label: lines(_flags(one.task), [one.options, one.config]) for label, one in planned.items()}
    first = next(iter(own.values()))
    common = [line for line in first if all(line in others for others in own.values())]
    text = list(common)
    for label, one in planned.items():
        text += ["", "[[task]]", f'task = "{one.task.name}"']
        text += [f'label = "{label}"'] if label != one.task.name else []
        text += [line for line in own[label] if line not in common]
    return "\n".join(text) + "\n"


def _named(table: Mapping[str, Any], at: str) -> tuple[str, Task[Any, Any], dict[str, Any], str]:
    """The label of a table, its task, its options, and what errors begin with."""
    own = dict(table)
    name = own.pop("task", None)
    if not isinstance(name, str):
        raise ValueError(f'{at}: expected task = "NAME", got {name!r}')
    label = own.pop("label", name)
    # A folder of this name lies beside suite.json and the report.
    if not isinstance(label, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", label):
        raise ValueError(f"{at}: label: expected letters, digits, - and _, got {label!r}")
    try:
        return label, find(name), own, f"{at} ({label})"
    except ValueError as error:
        raise ValueError(f"{at}: {error}") from None


def _flags(task: Task[Any, Any]) -> Flags:
    """What a table may say."""
    found = {**flags_of(StudyOptions), **flags_of(task.Config)}
    return {name: info for name, info in found.items() if name != "model"}


def _planned(task: Task[Any, Any], said: Mapping[str, Any], flags: Flags) -> Planned:
    """The study of a task, as ``liafseq compare TASK`` would have it."""
    of_study = {name: value for name, value in said.items() if name in StudyOptions.model_fields}
    of_runs = {name: value for name, value in said.items() if name not in of_study}
    default = {"models": task.study.models, "seeds": task.study.seeds}
    options = build(StudyOptions, default, of_study, flags)
    config = build(task.Config, task.study.settings, of_runs, flags)
    return Planned.of(task, options, config, said)


def _see_same_models(planned: Mapping[str, Planned], label: str, at: str) -> None:
    """Sees that a task has the models of the first one."""
    first, own = next(iter(planned)), _models(planned[label])
    wanted = _models(planned[first])
    for model in (*wanted, *own):
        if (model in wanted) != (model in own):
            has, lacks = (first, label) if model in wanted else (label, first)
            raise ValueError(
                f"{at}: {lacks} has no model {model!r}, which {has} has; label them alike in all tasks, as "
                'models = "LABEL=NAME,..."'
            )


def _models(planned: Planned) -> list[str]:
    return list(dict.fromkeys(config.model.label for config in planned.configs))
