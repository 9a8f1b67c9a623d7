"""The command ``liafseq``: its sub-commands, and one clear line for what goes wrong."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from liafseq.cli import bench, compare, evaluate, export, look, predict, report, show, train
from liafseq.cli.groups import DataGroup, markup

__all__ = ["app", "main"]

ORDER = (
    "train",
    "evaluate",
    "predict",
    "export",
    "compare",
    "report",
    "show",
    "list",
    "data",
    "models",
    "tasks",
    "bench",
)
"""In which a person meets the commands."""
MADE = {"evaluate": evaluate.command, "predict": predict.command, "bench": bench.command}
"""Commands that are made from configurations when they are asked for."""


class CleanGroup(TyperGroup):
    """Turns errors of the user's into one line on standard error and exit code 2."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=ORDER.index)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in MADE:
            made = typer.Typer(rich_markup_mode=markup(), add_completion=False)
            made.command(cmd_name)(MADE[cmd_name]())
            return typer.main.get_command(made)
        return super().get_command(ctx, cmd_name)

    def main(self, *args: Any, **extra: Any) -> Any:
        standalone_mode = extra.pop("standalone_mode", True)
        if not standalone_mode or os.environ.get("LIAFSEQ_DEBUG"):
            return super().main(*args, **{**extra, "standalone_mode": standalone_mode})
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except (typer.Abort, KeyboardInterrupt):
            _complain("stopped")
            code = 130
        except BrokenPipeError:
            # The reader, such as head, has seen enough; nothing more can be written, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 1
        except (ValueError, TypeError, OSError) as error:
            _complain(str(error) or type(error).__name__)
            code = 2
        except Exception as raised:
            # Typer's usage errors, whose class has moved between its releases.
            usage: Any = raised
            if not hasattr(usage, "format_message"):
                raise
            if type(usage).__name__ == "NoArgsIsHelpError":
                usage.show()  # its message is the whole help
                sys.exit(2)
            hint = f" (see {usage.ctx.command_path} --help)" if getattr(usage, "ctx", None) else ""
            _complain(usage.format_message() + hint)
            code = getattr(usage, "exit_code", 2)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="liafseq",
    cls=CleanGroup,
    rich_markup_mode=markup(),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    no_args_is_help=True,
)
train_app = typer.Typer(cls=train.TrainGroup, no_args_is_help=True)
compare_app = typer.Typer(cls=compare.CompareGroup, no_args_is_help=True)
data_app = typer.Typer(cls=DataGroup, no_args_is_help=True)


@train_app.callback()
def _train() -> None:
    """Train one model on a task and score it on the test data.

    Example: liafseq train babi --model liaf --tasks 1
    """


@compare_app.callback()
def _compare() -> None:
    """Train and evaluate several models on the same data; table, plots, report.

    Several tasks as one study: suite, or --config FILE.toml with a [[task]] table for each.

    Example: liafseq compare babi --models liaf,gru --tasks 1,6 --seeds 3
    """


@data_app.callback()
def _data() -> None:
    """Generate, show and inspect the data of a task.

    Example: liafseq data babi show --tasks 1
    """


app.add_typer(train_app, name="train")
app.command("evaluate")(_train)  # made where it is asked for
app.command("predict")(_train)  # as evaluate
app.command("export")(export.export)
app.add_typer(compare_app, name="compare")
app.command("report")(report.report)
app.command("show")(show.show)
app.command("list")(look.list_runs)
app.add_typer(data_app, name="data")
app.command("models")(look.models)
app.command("tasks")(look.tasks)
app.command("bench")(_train)  # as evaluate


def _version(value: bool) -> None:
    if value:
        from importlib import metadata

        print(f"liafseq {metadata.version('liafseq')}")
        raise typer.Exit


@app.callback()
def _liafseq(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Spiking recurrent layers against nn.RNN, nn.GRU and nn.LSTM.

    Example: liafseq compare babi --models liaf,gru --tasks 1 --epochs 5

    Set LIAFSEQ_DEBUG=1 to see the full trace of an error.
    """


def main() -> None:
    """Runs the command."""
    app(prog_name="liafseq")


def _complain(message: str) -> None:
    print(f"liafseq: {' '.join(message.split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
