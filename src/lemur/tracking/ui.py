"""The MLflow UI over this checkout's store."""

import os
import sys
from pathlib import Path

from lemur.tracking.location import store


def ui(root: Path) -> None:
    """Serve the UI on 127.0.0.1 until it is interrupted. Replaces this process."""
    found = store(root)
    if found.uri.startswith(("http://", "https://")):
        raise SystemExit(f"MLFLOW_TRACKING_URI is a server with its own page: {found.uri}")
    # Without the job runner, and with one worker of four: half the start-up time and no processes left behind.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    address = ["--host", "127.0.0.1", "--port", os.environ.get("MLFLOW_PORT", "5000"), "--workers", "1"]
    where = ["--backend-store-uri", found.uri]
    if found.artifacts is not None:
        where += ["--default-artifact-root", found.artifacts]
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", "server", *address, *where], environment)
