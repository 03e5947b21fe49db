"""Run the server until Ctrl-C."""

import logging
from ipaddress import ip_address

import uvicorn

from lemur.serving.api.app import create_app
from lemur.serving.api.limits import TimedProtocol
from lemur.serving.engine import Engine

MOST_CONNECTIONS = 512
GOODBYE_SECONDS = 5


def listen(engine: Engine, name: str, host: str, port: int) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    local = is_loopback(host)
    if not local:
        logging.warning("%s is reachable from other machines: whoever reaches it may ask, without a password", host)
    app = create_app(engine, name, local=local)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TimedProtocol,
        ws="none",
        lifespan="off",
        server_header=False,
        access_log=False,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()  # before it says so: 0 is any free port
    except SystemExit:  # uvicorn has said why
        raise SystemExit(f"{host}:{port} cannot be opened; name another --port, or 0 for any free one") from None
    socket.listen()
    shown = f"[{host}]" if ":" in host else host
    print(
        f"{name} on http://{shown}:{socket.getsockname()[1]} (chat page), /v1 for OpenAI clients; Ctrl-C ends",
        flush=True,
    )
    try:
        server.run(sockets=[socket])
    except KeyboardInterrupt:
        pass
    finally:
        engine.close()


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
