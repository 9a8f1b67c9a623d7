"""Docstrings as the site reads them: examples as code, headings that it does not know as paragraphs."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import Any

import griffe

EXAMPLE = re.compile(r"^( *)>>> .*(?:\n.+)*", re.M)
SECTION = re.compile(r"^(Inputs|Outputs|Initialisation|Attributes):(.*)((?:\n(?: .*)?)*)", re.M)
SEVERAL = re.compile(r"^    \S[^:\n]*,[^:\n]*: ", re.M)


class Docstrings(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = readable(obj.docstring.value)


def readable(text: str) -> str:
    return SECTION.sub(_paragraph, EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", text))


def _paragraph(found: re.Match[str]) -> str:
    name, title, body = found.groups()
    if name == "Attributes":
        if not SEVERAL.search(body):  # the parser makes a better list of them
            return found[0]
        body = re.sub(r"^    (\S[^:\n]*): ", r"    - `\1`: ", body, flags=re.M)
    body = dedent(body.lstrip("\n"))
    gap = "\n\n" if body.startswith("- ") else "\n" if body else ""
    return f"**{name}:**{title}{gap}{body}"
