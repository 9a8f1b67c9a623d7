"""Groups of commands with a command for each task, made when it is asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from liafseq.tasks.task import find, installed, names

__all__ = ["DataGroup", "TaskGroup", "made_command", "markup"]


def markup() -> Any:
    """Frames and colours only where a person looks; a pipe or a log gets plain text."""
    import sys

    return "rich" if sys.stdout.isatty() else None


class TaskGroup(TyperGroup):
    """A group whose commands are those of the tasks that are installed."""

    make: ClassVar[Any]
    """Gives the function of a task's command."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [task.name for task in installed()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in names():
            return None
        return made_command(cmd_name, type(self).make(find(cmd_name)))


def made_command(name: str, function: Any) -> Any:
    """The command of a function, made when it is asked for."""
    made = typer.Typer(rich_markup_mode=markup(), add_completion=False)
    made.command(name, no_args_is_help=False)(function)
    return typer.main.get_command(made)


class DataGroup(TyperGroup):
    """The commands about data that tasks bring."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [task.name for task in installed() if task.commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in names() or (path := find(cmd_name).commands) is None:
            return None
        from liafseq.tasks.execution.worker import resolve

        app = resolve(path)
        app.rich_markup_mode = markup()
        command = typer.main.get_command(app)
        command.name = cmd_name
        return command
