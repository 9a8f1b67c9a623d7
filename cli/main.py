"""The command ``liafseq``: its sub-commands, and one clear line for what goes wrong."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from liafseq.cli import bench, compare, compare_dvs, data, dvs, evaluate, report, show, train

__all__ = ["app", "main"]


class CleanGroup(TyperGroup):
    """Turns errors of the user's into one line on standard error and exit code 2."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """In the order in which a person meets them; Typer puts groups last."""
        order = ["train", "evaluate", "compare", "report", "show", "data", "bench"]
        return sorted(
            super().list_commands(ctx), key=lambda name: order.index(name) if name in order else len(order)
        )

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode or os.environ.get("LIAFSEQ_DEBUG"):
            return super().main(*args, standalone_mode=standalone_mode, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except typer.Abort:
            _complain("stopped")
            code = 130
        except BrokenPipeError:
            # The reader, such as head, has seen enough; nothing more can be written, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = 1
        except (ValueError, TypeError, OSError) as error:
            _complain(str(error) or type(error).__name__)
            code = 2
        except Exception as error:
            # Typer's usage errors, whose class has moved between its releases.
            if not hasattr(error, "format_message"):
                raise
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()  # its message is the whole help
                sys.exit(2)
            hint = f" (see {error.ctx.command_path} --help)" if getattr(error, "ctx", None) else ""
            _complain(error.format_message() + hint)
            code = getattr(error, "exit_code", 2)
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    name="liafseq",
    cls=CleanGroup,
    # Frames and colours only where a person looks; a pipe or a log gets plain text.
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    no_args_is_help=True,
)
train.app.command("dvs")(dvs.train)
compare.app.command("dvs")(compare_dvs.compare_dvs)
data.app.add_typer(dvs.data_app, name="dvs")

app.add_typer(train.app, name="train")
app.command("evaluate")(evaluate.evaluate)
app.add_typer(compare.app, name="compare")
app.command("report")(report.report)
app.command("show")(show.show)
app.add_typer(data.app, name="data")
app.command("bench")(bench.bench)


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
    """The entry point of the installed command."""
    app(prog_name="liafseq")


def _complain(message: str) -> None:
    print(f"liafseq: {' '.join(message.split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
