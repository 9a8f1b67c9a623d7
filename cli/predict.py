"""``liafseq predict``: what a trained network makes of what a person gives it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from liafseq.cli import options as o
from liafseq.tasks.config import FieldError
from liafseq.tasks.settings import flag_of, flags_of
from liafseq.tasks.task import Task, installed

__all__ = ["command"]

OWN = (
    inspect.Parameter(
        "run", inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN", show_default=False)],
    ),
    inspect.Parameter(
        "text", inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[
            str,
            typer.Argument(
                help="A text or a file, as the run's task reads it.", metavar="TEXT", show_default=False
            ),
        ],
    ),
)  # fmt: skip


def _commands() -> dict[str, o.Command]:
    """Of each task that has settings of an answer, their options."""
    return {
        task.name: o.Command(task, o.Source(task.Answering, {}))
        for task in installed()
        if flags_of(task.Answering)
    }


def command() -> Any:
    """The function of ``liafseq predict``, with the options of all tasks that have some."""
    commands = _commands()
    made: dict[str, inspect.Parameter] = {}
    for name, of in commands.items():
        for parameter in of.parameters():
            option = parameter.annotation.__metadata__[0]
            option.rich_help_panel = f"Task {name}"
            made.setdefault(parameter.name, parameter)

    def predict(**given: Any) -> None:
        _predict(given, commands)

    about = """Answer a question, continue a text, or say the class of a file, with a trained network.

    Example: liafseq predict runs/liaf-qa1-s0-1a2b3c4d "Mary went to the kitchen. Where is Mary?"
    """
    return o.signed(predict, [*OWN, *made.values()], about)


def _predict(given: dict[str, Any], commands: dict[str, o.Command]) -> None:
    from liafseq.tasks.training.folder import read_config

    task, _ = read_config(given["run"])
    own = commands.get(task.name)
    said = {}
    for of in commands.values():
        for field, info in of.flags.items():
            if given[field] is None:
                continue
            if own is None or field not in own.flags:
                raise ValueError(f"--{flag_of(field, info)} is not for {task.name} runs")
            said[field] = given[field]
    try:
        _check(task, said)
        from liafseq.tasks.training.trained import load

        print(load(given["run"]).predict(given["text"], **said))
    except FieldError as error:
        raise (own.option_error(error) if own is not None else error) from None


def _check(task: Task[Any, Any], said: dict[str, Any]) -> None:
    """Before torch is loaded."""
    task.Answering(**said)
