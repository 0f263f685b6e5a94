"""Random draws and `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def eager(draw: Callable[P, T]) -> Callable[P, T]:
    """`draw` as a function that `torch.compile` calls and never traces, so that no drawn number is compiled in.

    (`torch.compiler.disable` itself would load the compiler, a second, in processes that never compile.)
    """

    @wraps(draw)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(draw)(*args, **kwargs)  # type: ignore[no-any-return,no-untyped-call]
        return draw(*args, **kwargs)

    return call
