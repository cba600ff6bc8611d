"""The option ``--pace``."""

from typing import Annotated, Literal

import typer

# The numbers stand in `ytworker.pacing`, which is too heavy for --help; a test compares them.
PaceOption = Annotated[
    Literal["careful", "normal", "fast"] | None,
    typer.Option(
        metavar="PACE",
        help="How often each source is asked: careful (at most 300 requests an hour), normal (600) or fast (1000). "
        "[default: normal]",
        show_default=False,
    ),
]
