"""Writes the reference of the commands from their own help, run in this process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

PAGE, PLACE = "reference/commands.md", "<!-- commands -->"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    return markdown.replace(PLACE, "\n".join(commands())) if page.file.src_uri == PAGE else markdown


def commands() -> Iterator[str]:
    """Markdown: a heading and the help of each command."""
    import typer
    from typer.testing import CliRunner

    with redirect_stdout(io.StringIO()):  # a stream that is no terminal: help without frames
        from liafseq.cli.main import app

    runner = CliRunner(env={"COLUMNS": "88", "TERMINAL_WIDTH": "88"})

    def walk(command: Any, words: list[str]) -> Iterator[str]:
        found = runner.invoke(app, [*words, "--help"], prog_name="liafseq")
        if found.exit_code:
            raise RuntimeError(f"liafseq {' '.join(words)} --help: {found.output or found.exception!r}")
        yield f"{'#' * min(len(words) + 1, 4)} liafseq {' '.join(words)}\n"
        yield f"```text\n{found.output.strip()}\n```\n"
        if hasattr(command, "list_commands"):
            context = command.context_class(command, info_name="liafseq")
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), [*words, name])

    root = typer.main.get_command(app)
    context = root.context_class(root, info_name="liafseq")
    for name in root.list_commands(context):  # type: ignore[attr-defined]
        yield from walk(root.get_command(context, name), [name])  # type: ignore[attr-defined]
