"""``ytworker metrics``."""

import sys
from pathlib import Path
from typing import Annotated, Protocol

import typer
from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile

from ytworker import Service
from ytworker_metrics.collector import QueueCollector
from ytworker_metrics.files import ALERTS, DASHBOARD, read_file
from ytworker_metrics.server import ADDRESS, PATH, make

PORT = 9464
KEEP_SECONDS = 5.0
"""How often a server looks at the queue at the most."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Opener(Protocol):
    """What the command line gives to the commands of plugins, as ``ctx.obj``."""

    def service(self) -> Service:
        """Open the queue that the global options name."""


@app.command()
def metrics(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to FILE, whole or not at all.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help=f"Answer at http://{ADDRESS}:PORT{PATH}.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="With --serve; 0 is any.")] = PORT,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Print a dashboard for Grafana instead.")] = False,
    alerts: Annotated[bool, typer.Option("--alerts", help="Print alert rules for Prometheus instead.")] = False,
) -> None:
    """Tell Prometheus how the queue is doing, on stdout unless told otherwise."""
    if sum((file is not None, serve, dashboard, alerts)) > 1:
        msg = "give one of --file, --serve, --dashboard and --alerts"
        raise typer.BadParameter(msg)
    if dashboard or alerts:
        sys.stdout.write(read_file(DASHBOARD if dashboard else ALERTS))
        return
    if file is not None and (file.is_symlink() or (file.exists() and not file.is_file())):
        msg = f"--file {file} is there and no plain file; name another one"
        raise typer.BadParameter(msg)
    opener: Opener = ctx.obj
    with opener.service() as service:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(QueueCollector(service, keep_seconds=KEEP_SECONDS if serve else 0.0))
        if serve:
            _serve(registry, port)
        elif file is not None:
            _write(registry, file)
        else:
            sys.stdout.write(generate_latest(registry).decode())


def _write(registry: CollectorRegistry, file: Path) -> None:
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        typer.echo(f"error: {file} cannot be written: {error.strerror}; make its folder, or name another one", err=True)
        raise typer.Exit(1) from None


def _serve(registry: CollectorRegistry, port: int) -> None:
    try:
        server = make(registry, port)
    except OSError as error:
        cure = "is another one running? --port names another port"
        typer.echo(f"error: {ADDRESS}:{port} cannot be used: {error.strerror}; {cure}", err=True)
        raise typer.Exit(1) from None
    with server:
        typer.echo(f"metrics are at http://{ADDRESS}:{server.server_port}{PATH}; Ctrl-C ends this", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
