"""The embedded sentences: functions of Python's standard library, and what each of their tokens is.

What a token other than a name is, ``tokenize`` says: ``keyword``, ``operator``, ``number``, ``string``. What
a name is depends on its place, and of a variable on the whole function: ``definition`` (behind ``def``),
``parameter`` of this function and each use of it, ``local`` (assigned in the function), ``global`` (only
read), ``builtin``, ``attribute`` (behind a dot), ``argument`` (``key=`` in a call), ``import``. That is read
off the syntax tree.
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import platform
import sysconfig
import tokenize
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from liafseq.tasks.tagging.files import Sentence

__all__ = ["MODULES", "sentences", "version", "words"]

MODULES = {
    "train": (
        "argparse", "bdb", "calendar", "cgitb", "cmd", "codecs", "configparser", "copy", "csv", "difflib",
        "doctest", "fractions", "ftplib", "gettext", "gzip", "heapq", "imaplib", "inspect", "ipaddress",
        "locale", "mailbox", "mimetypes", "netrc", "optparse", "pathlib", "pdb", "pickle", "pickletools",
        "platform", "plistlib", "poplib", "pprint", "profile", "pstats", "pydoc", "random", "sched", "shlex",
        "shutil", "smtplib", "socket", "ssl", "statistics", "subprocess", "tarfile", "tempfile",
    ),
    "test": ("ast", "bz2", "cProfile", "dis", "fileinput", "sqlite3.dump", "textwrap", "timeit", "trace",
             "types", "uuid", "wave", "zipfile"),
}  # fmt: skip
"""The modules of each part; no module is in both."""

_LONGEST = 100
_OTHER = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)
_NAMES = frozenset(dir(builtins))
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)


def version() -> str:
    """Of the Python whose library it is."""
    return platform.python_version()


def words(text: str) -> list[str]:
    """The tokens of Python source; ValueError for what is none.

    >>> words("def f(x): return x  # the same")
    ['def', 'f', '(', 'x', ')', ':', 'return', 'x']
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise ValueError(f"expected Python source, got {text[:60]!r}: {error}") from None
    return [token.string for token in tokens if token.type not in _OTHER]


def sentences() -> dict[str, list[Sentence]]:
    """The functions of each part, of 8 to 100 tokens, without docstrings and comments; none is there twice.

    Raises:
        FileNotFoundError: a Python without the source of its library.
    """
    seen: set[tuple[str, ...]] = set()
    found: dict[str, list[Sentence]] = {}
    for part, modules in MODULES.items():
        found[part] = []
        for module in modules:
            for sentence in _functions(module):
                if 8 <= len(sentence.words) <= _LONGEST and sentence.words not in seen:
                    seen.add(sentence.words)
                    found[part].append(sentence)
        if not found[part]:
            raise FileNotFoundError(f"{sysconfig.get_path('stdlib')}: has no source of Python's library")
    return found


def _functions(module: str) -> Iterator[Sentence]:
    path = Path(sysconfig.get_path("stdlib"), *module.split(".")).with_suffix(".py")
    if not path.exists():  # newer Pythons have fewer modules
        return
    text = path.read_text(encoding="utf-8")
    if not text.isascii():  # the syntax tree counts bytes, tokens count characters
        return
    tokens = [
        token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _OTHER
    ]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and not any(
            isinstance(inner, _NESTED) for statement in node.body for inner in ast.walk(statement)
        ):
            yield _sentence(node, tokens, f"{module}:{node.lineno}")


def _sentence(node: ast.FunctionDef, tokens: list[tokenize.TokenInfo], where: str) -> Sentence:
    first = node.body[0]
    documented = ast.get_docstring(node, clean=False) is not None
    skipped = ((first.lineno, first.col_offset), (first.end_lineno, first.end_col_offset))
    roles = _roles(node, tokens)
    words, tags = [], []
    before = ""
    for token in _within(tokens, node):
        if not (documented and skipped[0] <= token.start < skipped[1]):
            words.append(token.string)
            tags.append(_tag(token, before, roles))
            before = token.string
    return Sentence(tuple(words), tuple(tags), None, where)


def _within(tokens: list[tokenize.TokenInfo], node: ast.stmt) -> list[tokenize.TokenInfo]:
    ends = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
    first, last = (bisect_left(tokens, end, key=lambda token: token.start) for end in ends)
    return tokens[first:last]


def _tag(token: tokenize.TokenInfo, before: str, roles: dict[tuple[int, int], str]) -> str:
    if token.type == tokenize.NUMBER:
        return "number"
    if token.type == tokenize.OP:
        return "operator"
    if token.type != tokenize.NAME:
        return "string"  # of newer Pythons also parts of f-strings
    if keyword.iskeyword(token.string):
        return "keyword"
    if before == "." and token.start not in roles:
        return "attribute"
    # names that are no nodes of the tree: behind "except ... as"
    return "definition" if before == "def" else roles.get(token.start, "local")


def _roles(node: ast.FunctionDef, tokens: list[tokenize.TokenInfo]) -> dict[tuple[int, int], str]:
    """What the names are, by their places."""
    nodes = list(ast.walk(node))
    parameters = {inner.arg for inner in nodes if isinstance(inner, ast.arg)}
    assigned = {
        inner.id for inner in nodes if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load)
    } | {inner.name for inner in nodes if isinstance(inner, ast.ExceptHandler) and inner.name}
    for inner in nodes:
        if isinstance(inner, ast.alias):
            assigned.add((inner.asname or inner.name).partition(".")[0])
    found = {}
    for inner in nodes:
        if isinstance(inner, ast.arg):
            found[inner.lineno, inner.col_offset] = "parameter"
        elif isinstance(inner, ast.keyword) and inner.arg is not None:
            found[inner.lineno, inner.col_offset] = "argument"
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            found.update((token.start, "import") for token in _within(tokens, inner))
        elif isinstance(inner, ast.Name):
            name = inner.id
            role = "builtin" if name in _NAMES else "global"
            role = "parameter" if name in parameters else "local" if name in assigned else role
            found[inner.lineno, inner.col_offset] = role
    return found
