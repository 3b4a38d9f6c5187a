"""The downloader against a server on this machine that breaks off, refuses, or sends something else."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from molgen.datasets import download as module
from molgen.datasets.download import RemoteFile, download
from molgen.errors import MissingError, OutputError

CONTENT = bytes(range(256)) * 2000
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; ``cuts`` are the bytes after which successive answers break off; ``ranges`` honours Range."""

    cuts: list[int]
    ranges: bool
    status: int
    asked: list[str | None]
    content: bytes


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        content = self.server.content
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if asked and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start : start + cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Handler) as server:
        server.cuts, server.ranges, server.status, server.asked, server.content = [], True, 200, [], CONTENT
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def remote(server):
    return RemoteFile(f"http://127.0.0.1:{server.server_address[1]}/file", "file.bin", MD5)


def test_download_reports_progress_and_is_not_repeated(server, remote, tmp_path):
    seen = []
    path = download(remote, tmp_path / "downloads", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert download(remote, tmp_path / "downloads") == path
    assert len(server.asked) == 1
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_broken_connections_are_continued_within_a_call(server, remote, tmp_path):
    server.cuts = [100_000, 50_000]
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_next_call_goes_on_where_this_one_stopped(server, remote, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    server.cuts = [300_000]
    with pytest.raises(MissingError, match="broke off after 300,000 of 512,000") as caught:
        download(remote, tmp_path)
    assert "300,000 bytes are kept" in caught.value.hint
    assert "--source" in caught.value.hint
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_interrupt_keeps_what_came(server, remote, tmp_path):
    def stop(done, _):
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(remote, tmp_path, stop)
    kept = (tmp_path / "file.bin.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]


def test_server_without_ranges_starts_again(server, remote, tmp_path):
    server.ranges = False
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_complete_part_needs_no_more_bytes(server, remote, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    assert download(remote, tmp_path).read_bytes() == CONTENT


def test_part_that_is_too_long_is_dropped(server, remote, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT) + 4}-", None]


def test_wrong_content_is_discarded(server, remote, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(MissingError, match=r"not the published file file\.bin"):
        download(remote, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_file_on_disk_that_was_damaged_is_fetched_again(server, remote, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"damaged")
    assert download(remote, tmp_path).read_bytes() == CONTENT


def test_refusal_is_not_repeated(server, remote, tmp_path):
    server.status = 403
    with pytest.raises(MissingError, match="the server answered 403"):
        download(remote, tmp_path)
    assert len(server.asked) == 1


def test_offline_says_url_and_source(tmp_path):
    remote = RemoteFile("http://127.0.0.1:9/qm9", "file.bin", MD5)
    with pytest.raises(MissingError, match=r"cannot download http://127\.0\.0\.1:9/qm9") as caught:
        download(remote, tmp_path)
    assert caught.value.exit_code == 4
    assert "--source" in caught.value.hint


def test_full_disk(server, remote, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_continue", full)
    with pytest.raises(OutputError, match="no space left"):
        download(remote, tmp_path)


def blob(content: bytes) -> str:
    return "git:" + hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def test_the_id_of_a_git_blob_is_a_checksum(server, tmp_path):
    assert blob(b"hello\n") == "git:ce013625030ba8dba906f756967f9e9ca394464a"  # what `git hash-object` prints
    remote = RemoteFile(f"http://127.0.0.1:{server.server_address[1]}/f", "f.csv", blob(CONTENT))
    assert download(remote, tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 1
    download(remote, tmp_path)
    assert len(server.asked) == 1
    server.content = CONTENT[:-1] + b"x"
    (tmp_path / "f.csv").write_bytes(b"damaged")
    with pytest.raises(MissingError, match="is not the published file"):
        download(remote, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["f.csv"]
