"""Constructors of which the signature is written out and the rest is said once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

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
        (_, module), *given = bound.arguments.items()
        names = module.kind.names
        options = module.kind.choose({name: value for name, value in given if name in names})
        module._build(options, **{name: value for name, value in given if name not in names})

    return __init__
