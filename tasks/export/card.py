"""The model card of a trained network: what it is, what it scores, what it costs, how it was trained."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCardData

from liafseq.tasks import models
from liafseq.tasks import settings as settings_of
from liafseq.tasks.report.facts import settings_words, spelt_out
from liafseq.tasks.report.markdown import escaped
from liafseq.tasks.report.table import Table
from liafseq.tasks.report.words import COUNTS, JOULES, count_of, duration, in_one_unit, number
from liafseq.tasks.results import RESULTS, Outcome, Spread, read_study, value_text
from liafseq.tasks.settings import flags_of
from liafseq.tasks.toml import stated, words

if TYPE_CHECKING:
    from liafseq.tasks.results import Cost
    from liafseq.tasks.training.trained import Trained

__all__ = ["card", "train_command"]


def card(trained: Trained, outcome: Outcome | None, versions: Mapping[str, str]) -> str:
    """The card in Markdown, with its head in YAML.

    Args:
        trained: the network.
        outcome: what these weights score; None: it is not known.
        versions: of the packages that it was trained with.
    """
    head = _head(trained, outcome).to_yaml()
    return f"---\n{head}\n---\n\n" + "\n\n".join(_blocks(trained, outcome, versions)) + "\n"


def train_command(trained: Trained) -> list[str]:
    """The words of the command that trains it again: its model, seed, epochs and all that is no default."""
    task, flags = trained.task, flags_of(trained.task.Config)
    usual = dict(stated(flags, [task.Config()]))
    said = ["liafseq", "train", task.name]
    for flag, value in stated(flags, [trained.config]):
        if flag in ("model", "seed", "epochs") or usual.get(flag) != value:
            said += words(flag, value)
    return said


def _head(trained: Trained, outcome: Outcome | None) -> ModelCardData:
    task, config = trained.task, trained.config
    results = [
        EvalResult(
            task_type=task.name, task_name=task.title, dataset_type=task.name, dataset_split="test",
            dataset_name=task.describe(config), dataset_config=part, metric_type=metric.name,
            metric_name=metric.words, metric_value=score.metrics[metric.name],
        )
        for part, score in (outcome.test.items() if outcome is not None else ())
        for metric in task.metrics
        if metric.name in score.metrics
    ]  # fmt: skip
    spiking = ["spiking-neural-network"] if _is_spiking(config.model.name) else []
    return ModelCardData(
        library_name="liafseq",
        tags=["liafseq", *spiking, task.name, config.model.name],
        metrics=[metric.name for metric in task.metrics],
        model_name=_title(trained),
        eval_results=results or None,
    )


def _is_spiking(name: str) -> bool:
    try:
        return models.model(name).spiking
    except ValueError:  # of a package that is not installed here
        return False


def _title(trained: Trained) -> str:
    return f"{trained.config.model.label}, {trained.task.title}"


def _blocks(trained: Trained, outcome: Outcome | None, versions: Mapping[str, str]) -> Iterator[str]:
    task, config = trained.task, trained.config
    settings = config.to_json()
    yield f"# {escaped(_title(trained))}"
    weights = sum(parameter.numel() for parameter in trained.network.parameters())
    yield (
        f"A network of {weights:,} weights around {escaped(config.model.label)} "
        f"({escaped(spelt_out(config.model.name))}), trained by liafseq on task `{task.name}`."
    )
    yield "## Use"
    yield _code(
        "python",
        "from liafseq.tasks import Trained\n",
        'trained = Trained.from_pretrained("FOLDER or OWNER/NAME")',
    )
    lines = ["pip install 'liafseq[study]'", "liafseq evaluate FOLDER"]
    if task.has("predict"):
        lines.append('liafseq predict FOLDER "TEXT or FILE"')
    yield _code("bash", *lines)
    yield "## Data"
    data = [task.describe(config), *settings_words(task, settings, settings_of.DATA)]
    yield escaped("; ".join(data)) + "."
    yield "## Scores"
    if outcome is None:
        yield "None are known of these weights: the run has not finished, or they were changed after it."
    else:
        yield from _scores(trained, outcome)
    if outcome is not None and outcome.cost is not None:
        yield "## Cost"
        yield _cost(outcome.cost)
    yield "## Training"
    yield from _training(trained, outcome, settings, versions)
    yield "The same again:"
    yield _code("bash", shlex.join(train_command(trained)))


def _scores(trained: Trained, outcome: Outcome) -> Iterator[str]:
    task = trained.task
    rows = [
        (part, f"{score.count:,}", *(metric.text(score.metrics.get(metric.name)) for metric in task.metrics))
        for part, score in outcome.test.items()
    ]
    if len(rows) > 1:
        rows.append(("mean", "", *(metric.text(outcome.mean(metric.name)) for metric in task.metrics)))
    heads = [f"{metric.words}{f' ({metric.unit})' if metric.unit else ''}" for metric in task.metrics]
    count = outcome.examples
    yield f"Of the test data, at the best epoch by validation ({outcome.best_epoch})."
    yield Table(("part", task.word, *heads), tuple(rows)).markdown()
    yield f"Trained on {count.train:,} {task.word}, validated on {count.valid:,}."
    if (text := _over_seeds(trained)) is not None:
        yield escaped(text)


def _over_seeds(trained: Trained) -> str | None:
    """The spread over the seeds of the study that the run is of."""
    folder, metric = trained.folder.absolute().parent, trained.task.metric
    if not (folder / RESULTS).is_file():
        return None
    study = read_study(folder)
    if trained.folder.absolute().name not in [run.key for run in study.runs]:
        return None
    spread: Spread | None = next(
        (entry.figure(metric.name) for entry in study.summary if entry.model == trained.config.model.label),
        None,
    )
    if spread is None or spread.std is None:
        return None
    return (
        f"Over {count_of(len(spread.values), 'seed')} of its study: mean {metric.words} "
        f"{metric.text(spread.mean)} ± {metric.text(spread.std)}{metric.unit_words}."
    )


def _cost(cost: Cost) -> str:
    rows = [
        (name, in_one_unit([value], units)[0])
        for name, value, units in (
            ("MAC", cost.macs, COUNTS),
            ("AC", cost.acs, COUNTS),
            ("operations of the neurons", cost.neuron_ops, COUNTS),
            ("energy (estimated)", cost.energy_nj, JOULES),
        )
    ]
    rates = (("firing rate", cost.firing_rate), ("crossing rate", cost.crossing_rate))
    rows += [(name, number(rate)) for name, rate in rates if rate is not None]
    note = f"Per example, counted on {count_of(cost.samples, 'test example')} by `liafseq.cost`."
    left = f" Not counted: {', '.join(cost.uncounted)}." if cost.uncounted else ""
    return f"{note}{left}\n\n{Table(('', 'per example'), tuple(rows)).markdown()}"


def _training(
    trained: Trained, outcome: Outcome | None, settings: Mapping[str, Any], versions: Mapping[str, str]
) -> Iterator[str]:
    task, options = trained.task, settings["model"]["options"]
    facts = {
        "Model": trained.config.model.label
        + (f" ({value_text(options)})" if options and ":" not in trained.config.model.label else ""),
        "Network": ", ".join(
            [f"{name.replace('_', ' ')} {value_text(settings[name])}" for name in task.sizes]
            + settings_words(task, settings, settings_of.MODEL)
        ),
        "Training": ", ".join(["Adam", *settings_words(task, settings, settings_of.TRAINING)]),
        "Seed": str(settings["seed"]),
        "Versions": ", ".join(f"{name} {text}" for name, text in versions.items()),
    }
    if outcome is not None:
        facts["Time"] = f"{duration(outcome.time.train_seconds)}, {count_of(outcome.epochs_run, 'epoch')}"
    yield "\n".join(f"- {name}: {escaped(text)}" for name, text in facts.items() if text)


def _code(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])
