"""The README's Python example runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_python_examples():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict = {}
        exec(compile(block, str(README), "exec"), names)
        assert type(names["model"]["encoder"]).__name__ == "LIAF"
        assert names["output"].shape == (50, 8, 128)
        assert names["h_n"].shape == (1, 8, 128)
