"""Sets that are downloaded: from a local server, by size and SHA-256, and read offline later."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from hybridlib.cli import main
from hybridlib.config.params import Params
from hybridlib.data import published
from hybridlib.data.load import load_corpus
from hybridlib.data.prepare import prepare
from hybridlib.errors import InputError
from hybridlib.evaluation.fitting import fitting_table
from hybridlib.study import plan
from hybridlib.study.sizes import check_sizes

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def squad(lang: str) -> bytes:
    """Eight articles of one paragraph with two sentences; the second answers."""
    articles = []
    for number in range(8):
        context = f"{lang} nothing {number}. {lang} answer {number}."
        start = context.index(f"{lang} answer")
        answer = {"text": context[start:], "answer_start": start}
        question = {"id": str(number), "question": f"{lang} {number}?", "answers": [answer]}
        breaks = [[0, start - 1], [start, len(context)]]
        paragraph = {"context": context, "qas": [question], "sentence_breaks": breaks}
        articles.append({"title": str(number), "paragraphs": [paragraph]})
    return json.dumps({"data": articles}).encode()


def pins(files: dict[str, bytes], paths: dict[str, str]) -> dict[str, dict]:
    """The pins of files by their names; those in ``paths`` are elsewhere on the server."""
    found = {}
    for name, content in files.items():
        pin = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        found[name] = {**pin, **({"path": paths[name]} if name in paths else {})}
    return found


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A server with small sets called like the real ones, and an empty cache."""
    lareqa = {"LICENSE": b"a licence", **{f"{lang}.json": squad(lang) for lang in ("de", "en")}}
    texts = {f"{lang}.txt": f"{lang} one\n{lang} two\n".encode() for lang in ("de", "en", "th")}
    served = {f"/{COMMIT}/xquad-r/{name}": content for name, content in lareqa.items()}
    served |= {f"/{COMMIT}/ntrex/far/{name}": content for name, content in texts.items()}
    asked: list[str] = []
    cut: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path.rsplit("/", 1)[1])
            content = served.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = self.path in cut
            self.wfile.write(content[: len(content) // 2] if half else content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{http.server_port}/{{commit}}/"
    about = {"commit": COMMIT, "licence": "CC BY-SA 4.0"}
    paths = {name: f"far/{name}" for name in texts}
    sets = {
        "xquad-r": {**about, "url": f"{url}xquad-r/", "files": pins(lareqa, {})},
        "ntrex": {**about, "url": f"{url}ntrex/", "files": pins(texts, paths)},
    }
    monkeypatch.setattr(published, "_sets", lambda: sets)
    monkeypatch.setenv(published.CACHE, str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def stop() -> None:
        http.shutdown()
        http.server_close()

    state = SimpleNamespace(
        served=served, asked=asked, cut=cut, cache=tmp_path / "cache" / COMMIT[:12], stop=stop
    )
    yield state
    stop()


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.rglob("*") if file.is_file()} - {".xquad-r.lock"}


def test_a_set_is_downloaded_once_and_read_offline_ever_after(server, caplog):
    corpus = load_corpus("xquad-r", languages=["de", "en"])
    assert (len(corpus.queries), len(corpus.candidates)) == (16, 32)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    message = record.getMessage()
    assert message.startswith("xquad-r: download of 0.0 MB from 127.0.0.1:")
    assert message.endswith(f"{server.cache / 'xquad-r'}; licence: CC BY-SA 4.0")
    assert files_in(server.cache) == {"LICENSE", "de.json", "en.json"}
    assert sorted(server.asked) == ["LICENSE", "de.json", "en.json"]

    server.stop()
    caplog.clear()
    again = load_corpus("xquad-r", languages=["de", "en"])
    own = load_corpus("xquad-r", server.cache / "xquad-r", ["de", "en"])
    assert corpus.hash == again.hash == own.hash
    assert len(server.asked) == 3
    assert not caplog.records


def test_a_file_that_was_spoilt_here_is_downloaded_again(server):
    folder = published.fetch("xquad-r")
    (folder / "en.json").write_text("{}")
    assert published.fetch("xquad-r") == folder
    assert (folder / "en.json").read_bytes() == squad("en")
    assert server.asked[3:] == ["en.json"]


def test_a_changed_file_is_refused_and_not_kept(server):
    server.served[f"/{COMMIT}/xquad-r/en.json"] = squad("en").replace(b"answer", b"ANSWER")
    message = (
        r"^xquad-r: http\S+/en.json is not the pinned file \(its SHA-256 is another\), and was"
    )
    with pytest.raises(InputError, match=message) as caught:
        load_corpus("xquad-r", languages=["de", "en"])
    assert "\n" not in str(caught.value)
    assert files_in(server.cache) == {"LICENSE", "de.json"}


def test_a_broken_connection_leaves_what_was_whole(server):
    server.cut.add(f"/{COMMIT}/xquad-r/en.json")
    with pytest.raises(InputError, match=r"en.json cannot be downloaded \(.*IncompleteRead"):
        published.fetch("xquad-r")
    assert files_in(server.cache) == {"LICENSE", "de.json"}
    server.cut.clear()
    published.fetch("xquad-r")
    assert server.asked[3:] == ["en.json"]


def test_without_a_network_one_line_says_what_to_do(server, tmp_path, capsys):
    server.stop()
    command = ["evaluate", "no-encoder", "--corpus", "xquad-r", "--out", str(tmp_path / "out")]
    assert main(command) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "LICENSE cannot be downloaded (no connection). Try again with a network, or " in error
    assert f"copy {server.cache / 'xquad-r'} from a machine that has it" in error


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    server.cache.parent.write_text("a file")
    with pytest.raises(InputError, match=r"xquad-r: cannot be written to"):
        published.fetch("xquad-r")


def test_a_set_that_is_gone_is_named_with_its_address(server):
    del server.served[f"/{COMMIT}/xquad-r/de.json"]
    with pytest.raises(InputError, match=r"de.json cannot be downloaded \(404 Client Error"):
        published.fetch("xquad-r")


def test_parallel_text_is_downloaded_in_the_languages_of_the_corpus(server, tmp_path):
    corpus = load_corpus("xquad-r", languages=["de", "en"])
    table = fitting_table(corpus, parallel_path="ntrex")
    assert set(table["lang"]) == {"de", "en"}
    assert set(table["source"]) == {"ntrex"}
    assert set(table["text"]) == {"de one", "de two", "en one", "en two"}
    assert files_in(server.cache / "ntrex") == {"de.txt", "en.txt"}
    with pytest.raises(InputError, match="ntrex: has none of the languages sw; it has de, en, th"):
        published.fetch("ntrex", ["sw"])
    # A folder of one's own that is called so comes first.
    (tmp_path / "ntrex").mkdir()
    assert published.local_path("ntrex") == tmp_path / "ntrex"


def test_a_study_trains_on_what_was_downloaded(server):
    params = Params(train_corpus="xquad-r", eval_corpus="facts", languages=["de", "en"])
    data = prepare(params)
    assert set(data.train["passage"].str[3:9]) == {"answer"}
    assert set(data.train["lang"]) == {"de", "en"}
    with pytest.raises(InputError, match=r"are both 'xquad-r' \(downloaded\)"):
        prepare(params.but(eval_corpus="xquad-r", eval_languages=["de", "en"]))
    aligned = params.but(train_corpus="parallel", train_corpus_path="ntrex", languages=["de", "en"])
    with pytest.raises(InputError, match="ntrex: the training pairs are all of one passage_id"):
        prepare(aligned)


def test_the_plan_says_what_will_be_downloaded(server, capsys, tmp_path):
    values = {
        "eval_corpus": "xquad-r",
        "eval_languages": ["de", "en"],
        "parallel_path": "ntrex",
        "languages": ["de", "en"],
        "also_evaluate": [{"eval_corpus": "xquad-r"}],
        "output_dir": str(tmp_path / "out"),
    }
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(values))
    assert main(["run", str(file), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "download" in line]
    assert [line.split(":")[0] for line in lines] == ["xquad-r", "ntrex"]
    assert all(line.endswith(", before the first run") for line in lines)
    assert not server.asked
    assert not (tmp_path / "cache").exists()

    # What is here is counted, and its size is looked at.
    published.fetch("xquad-r")
    published.fetch("ntrex")
    params = Params.load(file).but(also_evaluate=[])
    assert plan.downloads(params) == []
    assert plan._count_texts(params) == 16 + 32
    assert any("8 questions" in line for line in check_sizes(params))
    assert plan.downloads(params.but(eval_corpus_path="nowhere", parallel_path="nowhere")) == []


@pytest.mark.parametrize("name", ["xquad-r", "mlqa-r", "ntrex"])
def test_the_pins_are_those_of_the_files_that_the_tests_read(name, shared_data, tmp_path):
    folder = shared_data(name)
    files = published._files_of(name, None)
    here = [file for file in files if (folder / file.name).exists()]
    assert not published._missing(folder, here)
    assert [file.size for file in here] == [(folder / file.name).stat().st_size for file in here]
    assert {file.name for file in here} == {file.name for file in folder.iterdir()}
    if name != "ntrex":
        assert len(here) == len(files)
    assert all(published._sets()[name]["commit"] in file.url for file in files)
