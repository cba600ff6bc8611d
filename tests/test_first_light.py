"""From the command line to stored items, through every layer, with the real yt-dlp against a fake YouTube."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from running import Program
from ytworker_ytdlp.testing import FakeYouTube


def ids(stdout: str) -> list[str]:
    return [json.loads(line)["id"] for line in stdout.splitlines()]


def task(program: Program, number: int = 1) -> dict[str, object]:
    return dict(json.loads(program("tasks", "show", str(number), "--json").stdout))


@pytest.mark.parametrize("content", ["videos", "shorts", "streams"])
@pytest.mark.parametrize("route", ["tab", "uploads", "feed", "auto"])
def test_every_route_prints_the_newest_ids_in_order(
    online: Program, youtube: FakeYouTube, content: str, route: str
) -> None:
    done = online(
        *("scrape", "channel_scrape", "--channel-url", "@NASA", "--depth", "list", "--jsonl"),
        *("--content", content, "--route", route, "--top-n", "12"),
    )
    assert done.returncode == 0, done.stderr
    wanted = getattr(youtube.channel("@NASA"), content)[:12]
    assert ids(done.stdout) == [video.id for video in wanted]
    assert [request.path for request in youtube.requests if request.kind == "miss"] == []


@pytest.mark.parametrize("route", ["uploads", "feed", "auto"])
def test_all_content_is_mixed_newest_first(online: Program, youtube: FakeYouTube, route: str) -> None:
    done = online(
        *("scrape", "channel_scrape", "--channel-url", youtube.channel("@NASA").id, "--depth", "list"),
        *("--jsonl", "--route", route),
    )
    assert ids(done.stdout) == [video.id for video in youtube.channel("@NASA").uploads[:10]]


def test_a_full_record_has_what_the_video_has(online: Program, youtube: FakeYouTube) -> None:
    done = online("scrape", "channel_scrape", "--channel-url", "@NASA", "--top-n", "2", "--jsonl")
    for line, video in zip(done.stdout.splitlines(), youtube.channel("@NASA").uploads, strict=False):
        item = json.loads(line)
        assert item["title"] == video.title
        assert item["metrics"]["views"] == video.views
        assert item["metrics"]["precision"]["views"] == "exact"
        assert item["metrics"]["likes"] == video.likes
        assert item["tags"] == list(video.tags)
        assert item["published_at"].startswith(video.published_at.strftime("%Y-%m-%dT%H:%M:%S"))
        assert item["author"]["name"] == "NASA"


def test_an_unknown_channel_is_gone_on_its_first_attempt(online: Program) -> None:
    done = online("scrape", "channel_scrape", "--channel-url", "@nobody", "--jsonl")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Check the spelling" in done.stderr
    (dead,) = json.loads(online("dead", "list", "--flat", "--json").stdout)
    assert (dead["error_class"], dead["attempt"]) == ("gone", 1)


@pytest.mark.parametrize("state", ["terminated", "removed", "does_not_exist", "private"])
def test_a_channel_that_ended_is_gone_on_its_first_attempt(online: Program, youtube: FakeYouTube, state: str) -> None:
    youtube.add_channel("@ended", title="Ended", videos=3, shorts=0, streams=0, state=state)
    done = online("scrape", "channel_scrape", "--channel-url", "@ended", "--json")
    assert done.returncode == 1
    shown = json.loads(done.stdout)["task"]
    assert (shown["state"], shown["error_class"], shown["attempt"]) == ("dead", "gone", 1)


@pytest.mark.parametrize("fault", ["http503", "reset"])
def test_a_passing_fault_is_retried_and_then_succeeds(online: Program, youtube: FakeYouTube, fault: str) -> None:
    youtube.fault(fault, match="youtubei/v1/browse", times=2)
    done = online("scrape", "channel_scrape", "--channel-url", "@NASA/videos", "--depth", "list", "--jsonl")
    assert done.returncode == 0, done.stderr
    assert ids(done.stdout) == [video.id for video in youtube.channel("@NASA").videos[:10]]
    shown = task(online)
    assert (shown["state"], shown["attempt"]) == ("completed", 2)


def test_without_a_network_one_line_says_so_and_the_task_waits(program: Program) -> None:
    program.environment["YTWORKER_PLUGINS__YTDLP__PROXY"] = "http://127.0.0.1:9"  # the discard port: nobody listens
    done = program("scrape", "channel_scrape", "--channel-url", "@NASA")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "no network" in done.stderr
    shown = task(program)
    assert (shown["state"], shown["attempt"], shown["error_class"]) == ("scheduled", 0, "transient")


def test_bad_parameters_are_all_named_and_nothing_is_enqueued(online: Program, youtube: FakeYouTube) -> None:
    done = online(
        *("scrape", "channel_scrape", "--channel-url", "http://127.0.0.1/", "--top-n", "0", "--content", "all"),
        *("--depth", "none", "--max-age-days", "0", "--nonsense", "1"),
    )
    assert done.returncode == 2
    for option in ("--channel-url", "--top-n", "--depth", "--max-age-days", "--nonsense"):
        assert option in done.stderr
    assert json.loads(online("tasks", "list", "--json").stdout) == []
    assert youtube.requests == []


def test_ctrl_c_leaves_the_task_queued_with_its_attempt_taken_back(online: Program, youtube: FakeYouTube) -> None:
    youtube.fault("timeout", match="youtubei/v1/browse", times=-1, seconds=30)
    process = online.start("scrape", "channel_scrape", "--channel-url", "@NASA")
    deadline = time.monotonic() + 30
    while not any(request.fault for request in youtube.requests) and time.monotonic() < deadline:
        time.sleep(0.05)  # a condition with a deadline: the request has arrived
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "queued again" in stderr
    assert stdout == ""
    shown = task(online)
    assert (shown["state"], shown["attempt"]) == ("queued", 0)


def test_enqueue_run_and_look(online: Program, youtube: FakeYouTube) -> None:
    first = online("enqueue", "channel_scrape", "--channel-url", "@NASA/videos", "--depth", "list", "--key", "nasa")
    again = online("enqueue", "channel_scrape", "--channel-url", "@NASA/videos", "--depth", "list", "--key", "nasa")
    assert first.stdout == again.stdout == "1\n"
    assert online("run", "--until-empty").returncode == 0
    assert json.loads(online("status", "--json").stdout)["tasks"]["completed"] == 1
    exported = online("items", "export", "--format", "jsonl")
    assert set(ids(exported.stdout)) == {video.id for video in youtube.channel("@NASA").videos[:10]}


def test_help_and_listing_import_neither_yt_dlp_nor_a_plugin(program: Program) -> None:
    for arguments in (["--help"], ["plugins", "list"], ["--version"], ["scrape", "--help"]):
        code = (
            "import sys; from ytworker.cli import main\n"
            f"sys.argv = ['ytworker', *{arguments!r}]\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "bad = {'yt_dlp', 'ytworker_channel', 'ytworker_ytdlp'} & set(sys.modules)\n"
            "print(bad, file=sys.stderr) if bad else None\n"
            "sys.exit(bool(bad))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=program.env(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (arguments, done.stderr)


def test_switching_verification_off_warns_at_every_start(online: Program) -> None:
    del online.environment["YTWORKER_PLUGINS__YTDLP__CA_FILE"]
    online.environment["YTWORKER_PLUGINS__YTDLP__VERIFY_TLS"] = "false"
    for _ in range(2):
        done = online("scrape", "channel_scrape", "--channel-url", "@NASA/videos", "--depth", "list", "--jsonl")
        assert done.returncode == 0
        assert "verify_tls" in done.stderr


def test_an_unverified_server_is_refused(online: Program) -> None:
    del online.environment["YTWORKER_PLUGINS__YTDLP__CA_FILE"]
    done = online("scrape", "channel_scrape", "--channel-url", "@NASA/videos", "--json")
    assert done.returncode == 1
    shown = json.loads(done.stdout)["task"]
    assert (shown["state"], shown["error_class"], shown["attempt"]) == ("scheduled", "config", 0)
    assert "ca_file" in shown["error"]


def test_the_queue_is_private(online: Program) -> None:
    online("enqueue", "channel_scrape", "--channel-url", "@NASA")
    (database,) = Path(online.home).rglob("queue.db")
    assert database.stat().st_mode & 0o777 == 0o600
    assert database.parent.stat().st_mode & 0o777 == 0o700
