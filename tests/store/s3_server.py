"""An S3 server on 127.0.0.1 (moto's), which checks the access key and lets a test watch, slow down and cut requests."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

KEY_ID, SECRET = "test-key-id-5c1f", "test-secret-8e02b7"
REFUSED = b"<Error><Code>InvalidAccessKeyId</Code><Message>The access key ID does not exist.</Message></Error>"


class Request(NamedTuple):
    method: str
    path: str  # /bucket/key
    query: str
    start: int  # first byte that a read asks for


class Store:
    """A test may change what follows while the server runs. `requests`: all that came with the right access key."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.refused: list[str] = []  # the access keys of the others
        self.pause_s = 0.0  # before each answer
        self.before_read: Callable[[str], None] = lambda path: None
        self.cut: dict[str, int] = {}  # path -> cut off the first read that starts at or after this byte, once
        self.client: Any = None

    def variables(self) -> dict[str, str]:
        """The usual environment variables, with which any S3 client finds the server and is let in."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def keys(self, bucket: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return data

    def write(self, bucket: str, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=bucket, Key=key, Body=data)

    def truncate(self, bucket: str, key: str) -> None:
        """Leave the first half of an object."""
        data = self.read(bucket, key)
        self.write(bucket, key, data[: len(data) // 2])

    def intact(self, bucket: str, key: str) -> bool:
        """Whether an object of DVC's has the MD5 in its name."""
        name = "".join(key.removesuffix(".dir").split("/")[-2:])
        return hashlib.md5(self.read(bucket, key), usedforsecurity=False).hexdigest() == name

    def _received(self, environ: dict[str, Any]) -> Request | None:
        credential = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        key_id = credential[1] if credential else "none"
        if key_id != KEY_ID:
            self.refused.append(key_id)
            return None
        byte_range = re.match(r"bytes=(\d+)-", environ.get("HTTP_RANGE", ""))
        start = int(byte_range[1]) if byte_range else 0
        request = Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], start)
        self.requests.append(request)
        return request

    def _cut(self, request: Request) -> bool:
        cut = request.method == "GET" and request.start >= self.cut.get(request.path, 1 << 60)
        return cut and self.cut.pop(request.path) >= 0


@contextmanager
def served() -> Iterator[Store]:
    import boto3
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    store = Store()
    moto = DomainDispatcherApplication(create_backend_app)

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = store._received(environ)
        if request is None:
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else REFUSED
            start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        time.sleep(store.pause_s)
        if request.method == "GET":
            store.before_read(request.path)
        answer: Iterable[bytes] = moto(environ, start_response)
        if store._cut(request):
            body = b"".join(answer)
            return [body[: len(body) // 2]]  # less than the announced length, then the end of the connection
        return answer

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    store.client = boto3.client(
        "s3",
        endpoint_url=store.url,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
