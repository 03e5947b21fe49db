"""The MLflow UI for this checkout's store."""

import os
import sys
from pathlib import Path

from lemur.tracking.location import URI_VARIABLE, store


def ui(root: Path) -> None:
    """Serve the UI on 127.0.0.1 until interrupted. Replaces this process."""
    try:
        location = store(root)
    except OSError as error:
        raise SystemExit(f"{URI_VARIABLE}: {error}") from None
    if location.uri.startswith(("http://", "https://")):
        raise SystemExit(f"MLFLOW_TRACKING_URI is a server with its own UI; open {location.uri}")
    from lemur.tracking.store import page, usable  # imports mlflow, which takes seconds

    port = os.environ.get("MLFLOW_PORT", "5000")
    print(f"Runs: http://127.0.0.1:{port}/{usable(page, root)}", flush=True)
    # No job runner, and one worker instead of four: half the start-up time and no processes left behind.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    address = ["--host", "127.0.0.1", "--port", port, "--workers", "1"]
    storage = ["--backend-store-uri", location.uri]
    if location.artifacts is not None:
        storage += ["--default-artifact-root", location.artifacts]
    os.execve(sys.executable, [sys.executable, "-m", "mlflow", "server", *address, *storage], environment)
