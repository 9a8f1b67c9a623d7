"""Constructors of which the signature is written out and the rest is said once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec

from liafseq.options import Kind

__all__ = ["constructor"]

_P = ParamSpec("_P")


def constructor(declared: Callable[_P, None]) -> Callable[_P, None]:
    """Make an ``__init__`` of a method that is only a signature.

    Of its arguments, those that are options of the class's ``kind`` become one ``Options`` value; the
    class's ``_build(options, **others)`` gets it with the others. Signatures are for people and
    their editors: they show every name and default.
    """
    signature = inspect.signature(declared)

    @functools.wraps(declared)
    def __init__(*args: _P.args, **kwargs: _P.kwargs) -> None:
        # Python's own errors of wrong arguments, with the class's name in them
        declared(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        self, *rest = bound.arguments.items()
        module: Any = self[1]
        kind: Kind = module.kind
        options = {name: value for name, value in rest if name in kind.names}
        module._build(kind.choose(options), **{name: value for name, value in rest if name not in options})

    return __init__
