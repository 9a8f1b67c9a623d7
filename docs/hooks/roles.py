"""Shows the roles of docstrings, such as ``:class:`~a.b.C` ``, as the name that they end with."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):<code>~?([\w.]+)</code>")


def on_page_content(html: str, **_: Any) -> str:
    return ROLE.sub(lambda found: f"<code>{found[1].rpartition('.')[2]}</code>", html)
