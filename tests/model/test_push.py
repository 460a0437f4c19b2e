"""Pushing an encoder to a stand-in for the hub, and what is refused."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hub_toy import COMMIT, files

from hybridlib.cli import main
from hybridlib.errors import InputError
from hybridlib.model.encoder import DualEncoder
from hybridlib.model.push import push

REPOSITORY = "me/mine"


class Hub(ThreadingHTTPServer):
    """The server; what it was sent, and the status with which it refuses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.made: dict[str, object] = {}
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.refuses: int | None = None


class Answer(BaseHTTPRequestHandler):
    """One answer: a repository is made, files are wanted, or a commit is taken."""

    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"])
        if self.server.refuses:
            self.send({"error": "no"}, self.server.refuses)
        elif self.path == "/api/repos/create":
            self.server.made = json.loads(body)
            self.send({"url": f"{self.address}/{REPOSITORY}", "name": REPOSITORY})
        elif self.path == "/api/validate-yaml":
            self.send({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            wanted = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular"} for path in wanted]
            self.send({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        elif "/commit/" in self.path:
            self.keep([json.loads(line) for line in body.splitlines()])
            url = f"{self.address}/{REPOSITORY}/commit/{COMMIT}"
            self.send({"commitUrl": url, "commitOid": COMMIT})

    def keep(self, lines: list[dict]) -> None:
        for line in lines:
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.server.files[line["value"]["path"]] = content

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def send(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def hub(monkeypatch) -> Iterator[Hub]:
    """A hub that takes everything, and a token for it."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def folder(tiny_encoder, tmp_path_factory) -> Path:
    """A folder that was written here."""
    out = tmp_path_factory.mktemp("pushed") / "encoder"
    DualEncoder.load(tiny_encoder).save(out)
    return out


def test_what_is_pushed_is_the_folder(hub, folder, tmp_path, capsys):
    assert main(["push", str(folder), REPOSITORY]) == 0
    assert f"/{REPOSITORY}/commit/{COMMIT}" in capsys.readouterr().out
    assert hub.made["name"] == "mine"
    assert hub.made["organization"] == "me"
    assert hub.made["visibility"] == "private"
    assert hub.tokens == {"Bearer hf_mine"}
    assert sorted(hub.files) == files(folder)
    for name, content in hub.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    vectors = DualEncoder.load(tmp_path).encode(["a text"], "query")
    assert (vectors == DualEncoder.load(folder).encode(["a text"], "query")).all()


def test_a_public_repository_is_asked_for(hub, folder):
    push(folder, REPOSITORY, public=True)
    assert hub.made["visibility"] == "public"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "the token is not valid.*hf auth login"),
        (403, "the token may not write there.*HF_TOKEN"),
        (400, "the hub refuses"),
    ],
)
def test_a_refusal_of_the_hub_is_one_line(status, reason, hub, folder):
    hub.refuses = status
    with pytest.raises(InputError, match=f"^me/mine: .*{reason}"):
        push(folder, REPOSITORY)


def test_without_a_token_a_network_or_a_name_nothing_is_sent(hub, folder, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="no name of a repository"):
        push(folder, "me/mine/other")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the hub cannot be reached.*push again with a network"):
        push(folder, REPOSITORY)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(InputError, match="the hub wants a token; log in"):
        push(folder, REPOSITORY)
    assert not hub.files


def test_a_folder_that_is_no_encoder_is_not_pushed(hub, tmp_path, families):
    with pytest.raises(InputError, match="none: no such folder"):
        push(tmp_path / "none", REPOSITORY)
    with pytest.raises(InputError, match=r"mbert: has no modules.json; give an encoder"):
        push(families["mbert"], REPOSITORY)
    assert not hub.files
