"""A data set on 127.0.0.1, served by the parts of the hub's file API that its client uses."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "c0ffee" + "0" * 34


class Hub:
    """A test may change `files` while the server runs. `requests`: (file, first byte) of each read of file content."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.requests: list[tuple[str, int]] = []
        self.cut: dict[str, int] = {}  # file -> cut off the first read that starts at or after this byte, once
        self.before_read: Callable[[str], None] = lambda name: None
        self.url = ""

    def entry(self, name: str) -> dict[str, object]:
        data = self.files[name]
        oid = hashlib.sha1(data).hexdigest()
        entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": oid}
        if not name.endswith(".md"):
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if "/resolve/" in path:
                self._file(path.partition("/resolve/")[2].partition("/")[2])
            elif "/tree/" in path:
                folder = path.partition("/tree/")[2].partition("/")[2]
                names = [name for name in hub.files if name.startswith(f"{folder}/" if folder else "")]
                self._json([hub.entry(name) for name in names])
            else:
                self._json({"_id": "1", "id": "o/n", "sha": REVISION, "siblings": [], "tags": [], "downloads": 0})

        do_HEAD = do_GET

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            self._json([hub.entry(name) for name in query.get("paths", []) if name in hub.files])

        def _json(self, value: object) -> None:
            body = json.dumps(value).encode()
            self._send(200, body, body, kind="application/json")

        def _file(self, name: str) -> None:
            data = hub.files[name]
            byte_range = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            start, end = (int(byte_range[1]), int(byte_range[2]) + 1) if byte_range else (0, len(data))
            if self.command == "GET":
                hub.before_read(name)
                hub.requests.append((name, start))
            self._send(206 if byte_range else 200, data[start:end], data, cut=self._cut(name, start))

        def _cut(self, name: str, start: int) -> bool:
            cut = self.command == "GET" and start >= hub.cut.get(name, 1 << 60)
            return cut and bool(hub.cut.pop(name))

        def _send(
            self,
            status: int,
            body: bytes,
            whole: bytes,
            *,
            kind: str = "application/octet-stream",
            cut: bool = False,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("ETag", f'"{hashlib.sha256(whole).hexdigest()}"')
            self.end_headers()
            if cut:
                body = body[: len(body) // 2]
                self.close_connection = True
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
