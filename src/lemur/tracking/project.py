"""Writes a checkout's artifacts to MLflow in a separate process: a slow or unreachable store only costs a warning."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)

STAGE_TIMEOUT = 60.0
"""Seconds that the `track` stage waits for MLflow."""

# By default MLflow retries an unreachable server for minutes, and sends telemetry.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
}


def project(root: Path, timeout: float = STAGE_TIMEOUT) -> bool:
    """Create the MLflow run of the variant below `root` unless it exists. False, with one warning line, on failure.

    It goes to MLFLOW_TRACKING_URI if set, else to mlflow.db in the checkout (lemur.tracking.store). Raises nothing.
    """
    source = str(Path(__file__).parents[2])
    environment = {**_ENVIRONMENT, **os.environ, "PYTHONPATH": source}
    command = [sys.executable, "-m", "lemur.tracking.store", str(root)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            errors="replace",
            timeout=timeout,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired:
        return _failed(f"no answer within {timeout:g} s")
    except OSError as error:
        return _failed(str(error))
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return _failed(lines[-1] if lines else f"exit status {done.returncode}")
    log.info("%s", done.stdout.strip())
    return True


def _failed(reason: str) -> bool:
    public = re.sub(r"//[^/@\s]*@", "//", reason)  # keep a password in the store's address out of the log
    log.warning("MLflow: not written (%.300s); the artifacts are complete, `make track` tries again", public)
    return False
