"""The entry point of the installed command, and of ``python -m liafseq.cli``."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command; without the extra ``study``, one line says what to install and the exit code is 2."""
    try:
        import liafseq.tasks  # noqa: F401  (before typer, which may be what is missing)
    except ImportError as error:
        print(f"liafseq: {error}", file=sys.stderr)
        sys.exit(2)
    from liafseq.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
