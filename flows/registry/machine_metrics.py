"""How busy processor, memory and GPU are while a model trains, by MLflow's own monitor."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

LEFT_OUT = (DiskMonitor, NetworkMonitor)  # a training waits for neither


@contextmanager
def watching_machine(run_id: str) -> Iterator[None]:
    """Logs metrics `system/…` to a run every 10 seconds while the block runs.

    They are those of the whole machine, since stages run in processes of their own. If the tracking
    server does not answer, they end, and the block goes on.

    Args:
        run_id: MLflow run id.
    """
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    monitor: Any = SystemMetricsMonitor(run_id, resume_logging=True)  # type: ignore[no-untyped-call]
    monitor.monitors = [one for one in monitor.monitors if not isinstance(one, LEFT_OUT)]
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
