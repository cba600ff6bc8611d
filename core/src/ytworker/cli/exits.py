"""Exit codes of errors: 1 where the work failed, 2 where the call or what is installed has to be changed first."""

from ytworker.errors import (
    ParametersError,
    PluginsRefusedError,
    PluginUnavailableError,
    SettingsError,
    YtworkerError,
)

_USAGE = (ParametersError, PluginUnavailableError, PluginsRefusedError, SettingsError)


def exit_code(error: YtworkerError) -> int:
    """Give the exit code that an error ends the program with."""
    return 2 if isinstance(error, _USAGE) else 1
