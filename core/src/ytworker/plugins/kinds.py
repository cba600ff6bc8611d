"""What an entry point must lead to, for the kinds that have no hooks."""

from ytworker.plugins.discovery import PluginKind

_HELD = ("registered_commands", "registered_groups", "registered_callback")


def require_shape(kind: PluginKind, loaded: object) -> None:
    """Refuse what can never be used as this kind, before anybody needs it.

    A command is told by what a ``typer.Typer`` holds: typer takes 100 ms to import, and belongs to the command line.

    Raises:
        TypeError: It says what is there and what should be.
    """
    if kind is PluginKind.COMMAND and not any(getattr(loaded, held, None) for held in _HELD):
        msg = f"what its entry point names ({_name(loaded)}) is no typer.Typer with a command in it"
        raise TypeError(msg)
    if kind is PluginKind.QUEUE and not callable(loaded):
        msg = f"what its entry point names ({_name(loaded)}) cannot be called with the URL of a queue"
        raise TypeError(msg)
    if kind is PluginKind.CHECK and not callable(getattr(loaded, "check", None)):
        msg = f"what its entry point names ({_name(loaded)}) has no function check(context)"
        raise TypeError(msg)


def _name(loaded: object) -> str:
    kind = type(loaded).__name__
    return kind if kind != "module" else f"the module {getattr(loaded, '__name__', '?')}"
