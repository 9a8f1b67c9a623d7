"""What a recurrent module has beside its sizes: what goes over to its replacement, and what cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from torch.nn.utils import parametrize

__all__ = ["KINDS", "carry", "left_behind", "tie", "torn"]

KINDS = (nn.RNN, nn.GRU, nn.LSTM, nn.RNNCell, nn.GRUCell, nn.LSTMCell)
_HOOKS = (
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_backward_hooks", "_backward_pre_hooks", "_is_full_backward_hook",
)  # fmt: skip
_STATE_DICT_HOOKS = (
    "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
)  # fmt: skip


def left_behind(old: nn.Module) -> list[str]:
    """What a new layer in the place of ``old`` would lose, a phrase each; empty where that is nothing."""
    kind = next(kind for kind in KINDS if isinstance(old, kind))
    if parametrize.is_parametrized(old):
        names = ", ".join(old.parametrizations)  # type: ignore[arg-type]
        return [f"the parametrization of {names} (torch.nn.utils.parametrize.remove_parametrizations)"]
    return [*_of_class(type(old), kind), *_of_weights(old, kind), *_of_instance(old, kind)]


def _of_class(found: type, kind: type) -> Iterator[str]:
    for one in found.__mro__[: found.__mro__.index(kind)]:
        own = [name for name in vars(one) if not name.startswith("__") or name == "__call__"]
        if own:
            yield f"what the class {one.__name__} defines ({', '.join(own)})"


def _of_weights(old: nn.Module, kind: type) -> Iterator[str]:
    hooks = [*old._forward_pre_hooks.values(), *old._forward_hooks.values()]
    made = sorted({type(hook).__name__ for hook in hooks if _of_torch(hook)})
    if made:
        yield f"{', '.join(made)}, which makes its weights (torch.nn.utils has a function that removes it)"
    elif computed := [name for name in _names(old, kind) if name not in old._parameters]:
        yield f"what computes {', '.join(computed)}, which is no parameter, as in AWD-LSTM's WeightDrop"
    if hooked := [name for name, weight in old.named_parameters() if _hooked(weight)]:
        yield f"the hook on {', '.join(hooked)}"


def _of_instance(old: nn.Module, kind: type) -> Iterator[str]:
    usual = {*vars(kind(1, 1)), *_names(old, kind)}
    weights = [name for name, weight in old._parameters.items() if weight is not None]
    held = [*vars(old), *old._modules, *weights, *old._buffers]
    # old weight_norm and masks, which _of_weights has named, keep their parts there
    added = [name for name in held if name not in usual]
    if added and not any(map(_of_torch, old._forward_pre_hooks.values())):
        yield f"what was added to it ({', '.join(added)})"
    if any(getattr(old, name) for name in _STATE_DICT_HOOKS):
        yield "its hooks on state dicts"


def _names(old: nn.Module, kind: type) -> list[str]:
    """The parameters that a module of this kind has."""
    if issubclass(kind, nn.RNNBase):
        return list(old._flat_weights_names)  # type: ignore[arg-type]
    return ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if old.bias else [])]


def _of_torch(hook: Any) -> bool:
    """Whether it is weight_norm, spectral_norm or a mask of pruning, as torch had them as hooks."""
    return type(hook).__module__.startswith("torch.nn.utils.")


def _hooked(weight: Any) -> bool:
    return bool(weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None))


def carry(old: nn.Module, new: nn.Module) -> None:
    """Gives ``new`` the training mode, the hooks and what is frozen of ``old``.

    Hooks are shared, so that their handles remove them from both. Where all parameters are frozen, all new
    ones are; else those of the same name.
    """
    new.train(old.training)
    for name in _HOOKS:
        setattr(new, name, getattr(old, name))
    learned = {name: weight.requires_grad for name, weight in old.named_parameters()}
    for name, weight in new.named_parameters():
        weight.requires_grad_(learned.get(name, True) and any(learned.values()))


def torn(model: nn.Module, places: Iterable[tuple[str, nn.Module]]) -> Iterator[tuple[str, str]]:
    """Weights that a module shares with one that stays: (name of the module, phrase)."""
    places = list(places)
    going = {id(old) for _, old in places}
    staying = {
        id(weight): f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if id(module) not in going
        for name, weight in module._parameters.items()
        if weight is not None
    }
    for where, old in places:
        for name, weight in old._parameters.items():
            if id(weight) in staying:
                yield where, f"that its {name} is {staying[id(weight)]}"


def tie(pairs: Iterable[tuple[nn.Module, nn.Module]]) -> None:
    """Ties the parameters of new modules as those of the old ones are: of the same name, if they fit."""
    first: dict[int, nn.Parameter] = {}
    for old, new in pairs:
        for name, weight in old._parameters.items():
            own = new._parameters.get(name)
            if weight is None or own is None:
                continue
            shared = first.setdefault(id(weight), own)
            if shared.shape == own.shape:
                new._parameters[name] = shared
