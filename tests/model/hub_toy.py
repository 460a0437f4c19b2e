"""A server that answers as the hub does for one repository, made of a folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """The server; ``fetched`` has the paths of the files in the order they were fetched."""

    def __init__(self, folder: Path, hub_id: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder = folder
        self.hub_id = hub_id
        self.fetched: list[str] = []


class Answer(BaseHTTPRequestHandler):
    """One answer: what the repository is, which files it has, or a file."""

    server: Hub

    def do_HEAD(self) -> None:
        self.answer(with_content=False)

    def do_GET(self) -> None:
        self.answer(with_content=True)

    def answer(self, with_content: bool) -> None:
        path = self.path.partition("?")[0]
        hub_id = self.server.hub_id
        if path == f"/api/models/{hub_id}/revision/main":
            self.send({"id": hub_id, "sha": COMMIT, "siblings": []})
        elif path.startswith(f"/api/models/{hub_id}/tree/"):
            self.send([self.describe(file) for file in files(self.server.folder)])
        elif path.startswith(f"/{hub_id}/resolve/"):
            self.send_file(path.split("/", 5)[5], with_content)
        else:
            self.send_absence("RepoNotFound")

    def describe(self, name: str) -> dict[str, object]:
        content = (self.server.folder / name).read_bytes()
        oid = sha1(content).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def send(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, name: str, with_content: bool) -> None:
        if not (self.server.folder / name).is_file():
            self.send_absence("EntryNotFound")
            return
        body = (self.server.folder / name).read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_content:
            self.server.fetched.append(name)
            self.wfile.write(body)

    def send_absence(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serve(folder: Path, hub_id: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; gives the address, and the paths of the files as they are fetched."""
    server = Hub(folder, hub_id)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.fetched
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files(folder: Path) -> list[str]:
    """Return the paths of all files in a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in paths)
