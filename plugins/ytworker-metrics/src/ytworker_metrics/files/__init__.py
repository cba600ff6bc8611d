"""What goes with the metrics: a dashboard for Grafana and alert rules for Prometheus, to be changed to one's taste."""

from importlib.resources import files

DASHBOARD = "dashboard.json"
ALERTS = "alerts.yml"


def read_file(name: str) -> str:
    """Give one of the files."""
    return files(__name__).joinpath(name).read_text("utf-8")
