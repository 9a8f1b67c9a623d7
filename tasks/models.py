"""A model of a study: a model and its settings, ``[label=]name[:option=value[:option=value...]]``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

from liafseq.tasks.registry import Model, known, model, states
from liafseq.tasks.settings import Mistyped, pairs

__all__ = [
    "Model", "ModelSpec", "as_spec", "build_conv", "build_layer", "known", "model", "parse_specs", "states",
    "with_options",
]  # fmt: skip


class ModelSpec(BaseModel):
    """A model and its settings; ``label`` names it in a study.

    >>> ModelSpec.parse("gated=liaf:gated=true:decay=0.5,0.9")
    ModelSpec(name='liaf', label='gated', options=(('decay', (0.5, 0.9)), ('gated', True)))
    >>> ModelSpec.parse("liaf:gated=true").label
    'liaf:gated=true'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    options: tuple[tuple[str, Any], ...] = ()

    @field_validator("options", mode="before")
    @classmethod
    def _in_order(cls, value: Any) -> Any:
        return pairs(value)

    @field_serializer("options")
    def _as_mapping(self, value: Any) -> dict[str, Any]:
        return {name: list(item) if isinstance(item, tuple) else item for name, item in value}

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """The model of ``[label=]name[:option=value...]``; ValueError where it is none."""
        label, name, settings = _cut(text)
        try:
            options = pairs(settings)
        except ValueError as error:
            raise ValueError(str(error).removeprefix(": ")) from None
        return cls(name=name, label=label, options=options)

    def model(self) -> Model:
        """The model of the registry; ValueError where there is none."""
        return model(self.name)

    @property
    def keywords(self) -> dict[str, Any]:
        """The options as the layer takes them.

        A text has one word for None and for the choice ``"none"``.

        >>> ModelSpec.parse("liaf:reset=none").keywords, ModelSpec.parse("liaf:feedback=none").keywords
        ({'reset': 'none'}, {'feedback': None})
        """
        choices = self.model().choices
        return {
            name: "none" if item is None and "none" in choices(name) else item for name, item in self.options
        }

    @property
    def defaults(self) -> dict[str, Any]:
        """What the options are that are not given.

        >>> ModelSpec.parse("lif:gated=true:decay=0.9").defaults["reset"]
        'none'
        """
        return self.model().defaults(dict(self.options))

    def with_defaults(self, were: Mapping[str, Any]) -> ModelSpec:
        """The same model where ``were`` were the defaults: those that are others today become options."""
        now = self.defaults
        changed = {name: value for name, value in pairs(were) if name not in now or now[name] != value}
        return self.model_copy(update={"options": pairs(changed | dict(self.options))})

    def check(self, kinds: Iterable[str] = ("layer", "maps")) -> None:
        """Sees that there is such a model of these kinds, and that it has these options.

        Raises:
            ValueError: with the names that would be right.
        """
        kinds = tuple(kinds)
        found = model(self.name, kinds)
        if found.kind not in kinds:
            raise ValueError(
                f"model {self.name!r} is not for this task; its models are {', '.join(known(kinds))}"
            )
        if not self.options:
            return
        own = found.options()
        if not own:
            raise ValueError(
                f"model {self.name!r} takes no options; got {', '.join(name for name, _ in self.options)}"
            )
        for name, _ in self.options:
            if name not in own:
                close = difflib.get_close_matches(name, list(own), 1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"model {self.name!r} has no option {name!r}{hint}; it has {', '.join(own)}")

    def try_out(self) -> None:
        """Builds a small layer, so that a value that the layer refuses is found before any run begins."""
        if self.model().kind == "maps":
            build_conv(self, 1, 1, 1)
        else:
            build_layer(self, 1, 1)


def _cut(text: str) -> tuple[str, str, list[str]]:
    """Label, name and ``option=value`` texts of a model of a study."""
    first, *settings = [part.strip() for part in text.split(":")]
    label, equals, name = first.rpartition("=")
    if settings and "=" not in settings[0] and name not in known():  # module:Class
        name = f"{name}:{settings.pop(0)}"
    if not name or (equals and not label.strip()):
        raise ValueError(f"expected [LABEL=]NAME[:OPTION=VALUE...] such as liaf:gated=true, got {text!r}")
    return (label.strip() if equals else text.strip()), name, settings


def as_spec(value: Any) -> ModelSpec:
    """A model of a study from its text, its JSON or itself."""
    if isinstance(value, ModelSpec):
        return value
    if isinstance(value, str):
        try:
            return ModelSpec.parse(value)
        except ValueError as error:
            raise ValueError(f": {error}") from None
    if isinstance(value, Mapping):
        return ModelSpec(**value)
    raise Mistyped(f"must be the name of a model, got {value!r}")


def parse_specs(text: str, kinds: Iterable[str] = ("layer", "maps")) -> tuple[ModelSpec, ...]:
    """The models of a study from ``liaf,liaf:gated=true,gru`` or ``all``.

    A part that begins with a number belongs to the value before it: ``liaf:decay=0.5,0.9,gru`` are two
    models.

    >>> [spec.label for spec in parse_specs("liaf:decay=0.5,0.9, gru")]
    ['liaf:decay=0.5,0.9', 'gru']
    """
    kinds = tuple(kinds)
    if text.strip() == "all":
        return tuple(ModelSpec(name=name, label=name) for name in known(kinds))
    parts: list[str] = []
    for part in text.split(","):
        if parts and re.match(r"\s*-?\.?[0-9]", part):
            parts[-1] += f",{part.strip()}"
        else:
            parts.append(part.strip())
    found: list[ModelSpec] = []
    for part in parts:
        if not part:
            raise ValueError(f"expected names such as liaf,gru, got {text!r}")
        spec = ModelSpec.parse(part)
        spec.check(kinds)
        if any(spec.label == other.label for other in found):
            raise ValueError(f"{spec.label} is named twice in {text!r}")
        found.append(spec)
    return tuple(found)


def with_options(specs: Sequence[ModelSpec], texts: Sequence[str]) -> tuple[ModelSpec, ...]:
    """The models with options of ``[MODEL:]NAME=VALUE`` texts.

    Without ``MODEL:`` an option is for all spiking models; with it for those of this name or label. What
    a model says of itself goes before what is said of its name, and that before what is said of all.

    >>> [dict(spec.options) for spec in with_options(parse_specs("liaf,gru"), ["decay=0.1"])]
    [{'decay': 0.1}, {}]
    """
    general: list[str] = []
    named: dict[str, list[str]] = {}
    for text in texts:
        target, colon, rest = text.rpartition(":") if "=" not in text.split(":")[0] else ("", "", text)
        if not colon:
            general.append(text)
            continue
        target = target.strip()
        if not any(target in (spec.label, spec.name) for spec in specs):
            model(target)
            among = ", ".join(spec.label for spec in specs)
            raise ValueError(f": {text!r} is for {target}, which is not among {among}")
        named.setdefault(target, []).append(rest)
    shared = dict(pairs(general))
    own = {target: dict(pairs(rest)) for target, rest in named.items()}
    if shared and not any(spec.model().spiking for spec in specs):
        among = ", ".join(spec.label for spec in specs)
        raise ValueError(f": no model with neuron options among {among}")
    found = []
    for spec in specs:
        options: dict[str, Any] = dict(shared) if spec.model().spiking else {}
        for target in dict.fromkeys((spec.name, spec.label)):
            options |= own.get(target, {})
        options |= dict(spec.options)
        changed = spec.model_copy(update={"options": pairs(options)})
        changed.check()
        found.append(changed)
    return tuple(found)


def build_layer(
    spec: ModelSpec | str,
    input_size: int,
    hidden_size: int,
    *,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> Any:
    """The recurrent layer of a model, with the interface of nn.GRU or nn.LSTM.

    Raises:
        ValueError: an unknown name or option (see :meth:`ModelSpec.check`), or what the layer refuses.

    >>> build_layer("gru", 3, 4)
    GRU(3, 4)
    """
    spec = as_spec(spec)
    spec.check(["layer"])
    return spec.model().layer_class()(
        input_size,
        hidden_size,
        num_layers=num_layers,
        # Between layers only: torch warns about dropout where there is one layer.
        dropout=dropout if num_layers > 1 else 0.0,
        bidirectional=bidirectional,
        batch_first=batch_first,
        **spec.keywords,
    )


def build_conv(
    spec: ModelSpec | str, in_channels: int, out_channels: int, kernel_size: int, **arguments: Any
) -> Any:
    """The convolutional layer of a model, its maps as large as its input's.

    Args:
        spec: of a model over maps.
        in_channels, out_channels, kernel_size: as of nn.Conv2d; the kernel is odd.
        arguments: of the layer.

    >>> build_conv("conv3d", 2, 4, 3)
    Conv3d(2, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1))
    """
    spec = as_spec(spec)
    spec.check(["maps"])
    if spec.name != "conv-lstm":
        arguments["padding"] = kernel_size // 2
    layer = spec.model().layer_class()
    return layer(in_channels, out_channels, kernel_size, **arguments, **spec.keywords)
