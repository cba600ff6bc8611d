"""Steps that are all taken, whatever goes wrong with one of them."""

from collections.abc import Callable, Iterable

from ytworker.errors import PluginsRefusedError, StoreError


def do_all(steps: Iterable[Callable[[], None]]) -> None:
    """Take every step, and then raise the first error of a store or of a plugin that is required, if there was one."""
    failures: list[Exception] = []
    for step in steps:
        try:
            step()
        except (StoreError, PluginsRefusedError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
