"""Options of commands, made from the fields of configurations; no command repeats a field."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo

from liafseq.tasks.commands import in_option_names, make_folder
from liafseq.tasks.config import FieldError, Pairs
from liafseq.tasks.models import known
from liafseq.tasks.results import value_text
from liafseq.tasks.settings import choices_of, extra, flag_of, flags_of, panel_order
from liafseq.tasks.task import SPLITS, Task

__all__ = ["Command", "Source", "check_device", "make_folder", "settings_toml"]

_REPEATABLE = ("options",)


@dataclass(frozen=True)
class Source:
    """A configuration whose fields become options.

    Attributes:
        kind: the class of the configuration.
        defaults: what stands in the place of the fields' own defaults.
        without: fields that this command does not offer.
    """

    kind: type[Any]
    defaults: Mapping[str, Any]
    without: frozenset[str] = frozenset()

    def flags(self) -> dict[str, FieldInfo]:
        return {name: info for name, info in flags_of(self.kind).items() if name not in self.without}

    def default(self, name: str) -> Any:
        return self.defaults.get(name, self.kind.model_fields[name].default)


class Command:
    """The options of a command, and how what was said becomes configurations.

    Args:
        task: whose words the help has; None for a command of no task.
        sources: the configurations, in the order of the help.
    """

    def __init__(self, task: Task[Any, Any] | None, *sources: Source) -> None:
        self.task = task
        self.sources = sources
        self.flags = {name: info for source in sources for name, info in source.flags().items()}

    def parameters(self) -> list[inspect.Parameter]:
        """What Typer makes options of, each None where nothing was said."""
        found = []
        for source in self.sources:
            for name, info in source.flags().items():
                default = source.default(name)
                shown = "" if default is None or default == () else value_text(default).replace(" ", ",")
                found.append(parameter(name, info, self.task, shown))
        return found

    def function(self, run: Callable[[dict[str, Any]], None], *own: inspect.Parameter) -> Any:
        """The function of the command, for Typer: ``run`` gets what was said, by name of parameter."""

        def command(**given: Any) -> None:
            run(given)

        # A panel's options stand together in the help.
        made = sorted(self.parameters(), key=lambda parameter: panel_order(_panel(parameter)))
        return signed(command, [*own, *made], inspect.getdoc(run) or "")

    def said(self, given: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
        """What the command line and a file of settings say, by field; the command line wins.

        Raises:
            FieldError: an option of the file that the command has not.
        """
        found = self._of_file(file) if file is not None else {}
        for name in self.flags:
            value = given.get(name)
            if value is not None and value != []:
                found[name] = value
        for name, value in found.items():
            found[name] = self.located(name, value)
        return found

    def build(self, source: Source, said: Mapping[str, Any], **fixed: Any) -> Any:
        """The configuration of a source; errors in the names of the options."""
        values = {name: value for name, value in said.items() if name in source.flags()}
        config = source.kind(**{**source.defaults, **values, **fixed})
        for name in values:
            if not has_effect(config, self.flags[name]):
                field, _, wanted = extra(self.flags[name], "only").partition("=")
                raise FieldError(name, f": is for --{flag_of(field, self.flags[field])} {wanted}")
        return config

    def option_error(self, error: FieldError) -> ValueError:
        """The error, its field in the name of the option."""
        return in_option_names(error, self.flags)

    def _of_file(self, file: Path) -> dict[str, Any]:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise OSError(f"--config: {file}: {error.strerror or error}") from error
        except ValueError as error:
            raise ValueError(f"--config: {file}: not valid TOML: {error}") from error
        names = {flag_of(name, info): name for name, info in self.flags.items()}
        found = {}
        for key, value in content.items():
            name = names.get(key.replace("_", "-"), key)
            if name not in self.flags:
                raise ValueError(
                    f"--config: {file}: no option {key!r}; the options are {', '.join(sorted(names))}"
                )
            found[name] = tuple(value) if isinstance(value, list) and name in _REPEATABLE else value
        return found

    def located(self, name: str, value: Any) -> Any:
        """A path made absolute: a run must be the same whatever folder it is continued from."""
        path = extra(self.flags[name], "path")
        if name in _REPEATABLE and isinstance(value, list):
            return tuple(value)
        if not path or not isinstance(value, str):
            return value
        words = () if path is True else path
        if value in words or value.startswith(tuple(word for word in words if word.endswith(":"))):
            return value
        there = Path(value).expanduser().absolute()
        if not there.exists() and not any(parent.is_file() for parent in there.parents):  # in an archive
            flag = flag_of(name, self.flags[name])
            raise FileNotFoundError(f"--{flag}: no such file or folder: {there}")
        return str(there)


def signed(function: Callable[..., None], parameters: Sequence[inspect.Parameter], doc: str) -> Any:
    """The function with this signature and docstring, of which Typer makes the command."""
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__doc__ = doc
    return function


def has_effect(config: Any, info: FieldInfo) -> bool:
    """Whether a field has an effect beside the others of a configuration."""
    field, _, wanted = (extra(info, "only") or "").partition("=")
    return not field or str(getattr(config, field)) == wanted


def parameter(name: str, info: FieldInfo, task: Task[Any, Any] | None, shown: str) -> inspect.Parameter:
    """A field as a parameter whose annotation is an option of Typer's."""
    kind, metavar = _kind(info, name)
    choices = choices_of(info)
    words: list[str] = [str(choice) for choice in choices]
    if name in ("model", "models"):
        words = list(known(task.kinds if task else ["layer"]))
    flag = flag_of(name, info)
    names = [f"--{flag}/--no-{flag}"] if kind is bool else [f"--{flag}"]
    if short := extra(info, "short"):
        names.append(f"-{short}")
    text = (info.description or "").replace("{examples}", task.word if task else "examples")
    only = extra(info, "only")
    if only and task:
        field, _, wanted = only.partition("=")
        text += f" Only with --{flag_of(field, task.Config.model_fields[field])} {wanted}."
    if shown and kind is not list:
        text += f"  [default: {shown}]"
    given: Any = (list[str] if kind is list else kind) | None
    annotation = Annotated[
        given,
        typer.Option(
            *names,
            help=text,
            rich_help_panel=extra(info, "panel"),
            metavar=None
            if kind is bool
            else extra(info, "metavar") or "|".join(words if choices else []) or metavar,
            show_default=False,
            autocompletion=(lambda incomplete: [w for w in words if w.startswith(incomplete)])
            if words
            else None,
        ),
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _kind(info: FieldInfo, name: str) -> tuple[Any, str]:
    """The type of an option, and how its value is shown in the help."""
    inner = [
        kind
        for kind in (info.annotation, *getattr(info.annotation, "__args__", ()))
        if isinstance(kind, type)
    ]
    if name in _REPEATABLE or info.annotation == Pairs.__origin__:  # type: ignore[attr-defined]
        return list, "TEXT"
    for kind, metavar in ((bool, ""), (int, "N"), (float, "X")):
        if kind in inner and tuple not in inner and not str(info.annotation).startswith("tuple"):
            return kind, metavar
    return str, "TEXT"


def _panel(parameter: inspect.Parameter) -> str:
    return parameter.annotation.__metadata__[0].rich_help_panel


def plain_option(
    name: str, kind: Any, default: Any, *flags: str, panel: str | None = None, **about: Any
) -> Any:
    """A parameter of a command's own."""
    annotation = Annotated[kind, typer.Option(*flags, rich_help_panel=panel, **about)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


CONFIG_FILE = plain_option(
    "config", Path | None, None, "--config", panel="Study", metavar="FILE.toml",
    help="Settings by the names of the options; the command line wins.",
)  # fmt: skip
PRINT_CONFIG = plain_option(
    "print_config", bool, False, "--print-config", panel="Study",
    help="Print the settings in the form of --config, and do nothing else.",
)  # fmt: skip
LOGGER = plain_option(
    "logger", str | None, None, "--logger", panel="Training", metavar="tensorboard|csv",
    help="Also write the metrics of each epoch for TensorBoard, or as CSV, into the run's folder log.",
)  # fmt: skip


def settings_toml(command: Command, *configs: Any) -> str:
    """The settings of configurations as a file for ``--config``."""
    lines = []
    for config in configs:
        content = config.to_json()
        for name, info in command.flags.items():
            if name not in content or content[name] in (None, [], {}) or not has_effect(config, info):
                continue
            value = content[name]
            if name == "model":
                options = "".join(
                    f":{key}={value_text(item).replace(' ', ',')}" for key, item in value["options"].items()
                )
                value = value["label"] if ":" in value["label"] else f"{value['label']}{options}"
            elif isinstance(value, dict):
                value = [f"{key}={value_text(item)}" for key, item in value.items()]
            lines.append(f"{flag_of(name, info)} = {json.dumps(value)}")
    return "\n".join(lines)


def check_logger(name: str | None) -> None:
    """Sees that the logger of ``--logger`` can be had."""
    if name is not None:
        from liafseq.tasks.training import logger

        try:
            logger.check_logger(name)
        except ValueError as error:
            raise ValueError(f"--logger: {error}") from None


def check_split(split: str) -> None:
    """Sees that ``--split`` names a split."""
    if split not in SPLITS:
        first, second, last = SPLITS
        raise ValueError(f"--split: expected {first}, {second} or {last}, got {split!r}")


def complete_split(incomplete: str) -> list[str]:
    return [name for name in SPLITS if name.startswith(incomplete)]


def check_device(config: Any) -> None:
    """Sees that this machine has what the run asks for; ValueError where not."""
    if (config.device, config.precision, config.devices, config.nodes) != ("cpu", "32-true", 1, 1):
        from liafseq.tasks.training.launch import make_fabric

        make_fabric(config.device, config.precision, config.devices, config.nodes)


def check_threads(config: Any) -> None:
    """Refuses more threads than a machine may have."""
    from liafseq.tasks.study.machine import cores

    most = 4 * max(cores(), 16)
    if config.threads > most:
        raise FieldError("threads", f"must be at most {most} on this machine, got {config.threads}")
