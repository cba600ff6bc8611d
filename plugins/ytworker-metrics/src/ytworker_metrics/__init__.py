"""Prometheus metrics of a ytworker queue.

The command ``ytworker metrics`` is :mod:`ytworker_metrics.command`. For a program of one's own there is the collector::

    with ytworker.open() as service:
        registry = CollectorRegistry()
        registry.register(QueueCollector(service))
        print(generate_latest(registry).decode())
"""

from ytworker_metrics.collector import QueueCollector

__version__ = "0.1.0"
__all__ = ["QueueCollector", "__version__"]
