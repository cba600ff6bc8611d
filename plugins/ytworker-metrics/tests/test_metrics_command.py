"""``ytworker metrics``: to stdout, to a file, and on a port of this machine only."""

import http.client
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ytworker import Service
from ytworker.errors import StoreError
from ytworker.queue.sqlite import SQLiteQueue
from ytworker_metrics import QueueCollector, server


def test_metrics_go_to_stdout(program: Any) -> None:
    done = program("metrics")
    assert (done.code, done.err) == (0, "")
    assert 'ytworker_queue_jobs{queue="queue.db",state="queued"} 0.0' in done.out


def test_the_queue_is_that_of_the_global_options(program: Any, tmp_path: Path) -> None:
    assert 'queue="mine.db"' in program("--queue", str(tmp_path / "mine.db"), "metrics").out


def test_a_file_is_written_whole(program: Any, tmp_path: Path) -> None:
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "ytworker.prom"
    file.write_text("old")
    done = program("metrics", "--file", str(file))
    assert (done.code, done.out) == (0, "")
    assert file.read_text().startswith("# HELP ytworker_")
    assert list(folder.iterdir()) == [file]


def test_a_failure_leaves_the_old_file(program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_queue: object) -> None:
        msg = "the disk is gone"
        raise StoreError(msg)

    monkeypatch.setattr(SQLiteQueue, "counts", fails)
    file = tmp_path / "ytworker.prom"
    file.write_text("old")
    done = program("metrics", "--file", str(file))
    assert (done.code, file.read_text()) == (1, "old")
    assert "the disk is gone" in done.err
    assert [each.name for each in tmp_path.iterdir() if "prom" in each.name] == ["ytworker.prom"]


def test_what_is_no_plain_file_is_left_alone(program: Any, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link.prom"
    target.write_text("precious")
    link.symlink_to(target)
    for path in (link, tmp_path):
        done = program("metrics", "--file", str(path))
        assert (done.code, done.out) == (2, "")
    assert target.read_text() == "precious"
    done = program("metrics", "--file", str(tmp_path / "no" / "x.prom"))
    assert done.code == 1
    assert "cannot be written" in done.err


def test_a_file_and_a_port_are_not_both(program: Any, tmp_path: Path) -> None:
    assert program("metrics", "--serve", "--file", str(tmp_path / "x")).code == 2


# -- the server


@pytest.fixture
def port(service: Service, history: SQLiteQueue) -> Iterator[int]:
    """The port of a running server; it opens the queue in its own thread."""
    ready: list[server.WSGIServer] = []
    there = threading.Event()

    def run() -> None:
        own = Service(history.connect(), service.registry, service.settings)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(QueueCollector(own))
        with own, server.make(registry, 0) as made:
            ready.append(made)
            there.set()
            made.serve_forever(poll_interval=0.01)

    thread = threading.Thread(target=run)
    thread.start()
    assert there.wait(10)
    yield ready[0].server_port
    ready[0].shutdown()
    thread.join()


def ask(port: int, method: str = "GET", path: str = "/metrics", host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_the_metrics_are_at_their_path(port: int) -> None:
    status, text = ask(port)
    assert status == 200
    assert 'ytworker_queue_jobs{queue="work.db",state="dead"} 1.0' in text
    assert ask(port, host="localhost")[0] == 200
    assert ask(port, path="/")[0] == 404
    assert ask(port, path="/metrics/../etc")[0] == 404


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_w3_nothing_but_get(port: int, method: str) -> None:
    assert ask(port, method)[0] == 405


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "evil.test:9464", "", "10.0.0.1", "127.0.0.1:x"])
def test_w1_who_names_another_host_is_refused(port: int, host: str) -> None:
    status, text = ask(port, host=host)
    assert (status, "ytworker_" in text) == (403, False)


def test_it_listens_on_loopback_only() -> None:
    with server.make(CollectorRegistry(), 0) as made:
        assert made.server_address[0] == "127.0.0.1"
        assert made.socket.family is socket.AF_INET


def test_a_queue_that_cannot_be_read_is_an_answer(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_queue: object) -> None:
        msg = "the disk is gone"
        raise StoreError(msg)

    monkeypatch.setattr(SQLiteQueue, "counts", fails)
    assert ask(port) == (503, "the disk is gone\n")


def test_the_command_serves_until_it_is_told_to_stop(program: Any) -> None:
    process = program.start("metrics", "--serve", "--port", "0")
    assert process.stderr is not None
    told = process.stderr.readline().decode()
    port = int(told.partition("127.0.0.1:")[2].partition("/")[0])
    try:
        assert ask(port)[0] == 200
        taken = subprocess.run(
            [*process.args[:1], "metrics", "--serve", "--port", str(port)],  # type: ignore[index]
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert taken.returncode == 1
        assert b"--port names another port" in taken.stderr
    finally:
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
    assert b"stopped" in err
    assert process.returncode == 0
    assert os.name == "posix"
