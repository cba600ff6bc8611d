"""The stable JSON shapes of the command line, without the secrets that somebody put into a task."""

from typing import Any

from ytworker.model import Task
from ytworker.redaction import masked, redact


def shape_of(task: Task) -> dict[str, Any]:
    """Give a task as ``tasks list --json`` shows it."""
    shape = task.to_json()
    texts = {name: redact(shape[name]) for name in ("error", "reason") if shape[name]}
    return {**shape, **texts, "params": shown_params(task)}


def shown_params(task: Task) -> dict[str, Any]:
    """Give the parameters of a task; values of telling names are hidden."""
    return {name: masked(name, value) for name, value in task.params.items()}
