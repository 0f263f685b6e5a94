"""Adam and SGD as `torch.optim` has them, bit for bit, by the functions behind its classes.

The classes load torch's compiler as they are made, only to keep it out of their methods: more than a second in each job of a
pipeline that never compiles. A test holds both to the classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class Optimiser(ABC):
    """What moves `parameters` by their gradients; `lr` may be set before each step."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, weight_decay: float) -> None:
        self.parameters, self.lr, self.weight_decay = list(parameters), lr, weight_decay
        self.state: list[dict[str, Tensor]] = [{} for _ in self.parameters]  # empty until the parameter's first gradient

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each parameter that has a gradient."""
        moved = [(parameter, parameter.grad, state) for parameter, state in zip(self.parameters, self.state, strict=True)]
        pairs = [(parameter, grad, state) for parameter, grad, state in moved if grad is not None]
        if pairs:
            parameters, grads, states = (list(part) for part in zip(*pairs, strict=True))
            self._move(parameters, grads, states)

    @abstractmethod
    def _move(self, parameters: list[Tensor], grads: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        """One step of `parameters`; `states` is what it kept of each of them, and keeps."""

    def state_dict(self) -> dict[str, Any]:
        """All that a resume needs."""
        return {"state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, on the parameters' devices."""
        self.state = [
            {name: value if name == "step" else value.to(parameter.device) for name, value in kept.items()}
            for parameter, kept in zip(self.parameters, state["state"], strict=True)
        ]


class Adam(Optimiser):
    """`torch.optim.Adam` with its defaults."""

    def _move(self, parameters: list[Tensor], grads: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state |= {"step": torch.zeros(()), "mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter)}
        means, squares, steps = ([state[name] for state in states] for name in ("mean", "square", "step"))
        lr, decay = self.lr, self.weight_decay
        adam(parameters, grads, means, squares, [], steps,
            lr=lr, weight_decay=decay, beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, maximize=False)  # fmt: skip


class SGD(Optimiser):
    """`torch.optim.SGD` with momentum 0.9."""

    def _move(self, parameters: list[Tensor], grads: list[Tensor], states: list[dict[str, Tensor]]) -> None:
        momenta: list[Tensor | None] = [state.get("momentum") for state in states]
        lr, decay = self.lr, self.weight_decay
        sgd(parameters, grads, momenta, lr=lr, weight_decay=decay, momentum=0.9, dampening=0.0, nesterov=False, maximize=False)
        for state, momentum in zip(states, momenta, strict=True):
            assert momentum is not None  # made at the first step
            state["momentum"] = momentum
