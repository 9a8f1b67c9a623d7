"""The README's Python examples run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_python_examples(capsys):
    replaced, convolved = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(replaced, str(README), "exec"), names)
    assert type(names["model"]["encoder"]).__name__ == "LIAF"
    assert names["output"].shape == (50, 8, 128)
    assert names["h_n"].shape == (1, 8, 128)
    exec(compile(convolved, str(README), "exec"), names)
    assert names["maps"].shape == (6, 4, 16, 34, 34)
    assert "weights" in capsys.readouterr().out
