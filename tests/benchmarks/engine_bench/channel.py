"""What the engine adds to the processor time of yt-dlp, in a process of its own: ``bare`` or ``engine``.

Both make the same calls of the same yt-dlp with the same options; the first throws away what it gets. Started as
``python -m engine_bench.channel HOW PROXY CA_FILE COUNT FOLDER``; the server is another process, so it does not count.
"""

import itertools
import sys
from dataclasses import replace
from pathlib import Path

from ytworker_ytdlp.settings import YtdlpSettings

CHANNEL = "@bench"
_AT_ONCE = 10**9


def bare(proxy: str, ca_file: str, count: int) -> None:
    """Read the list and each video as a script would."""
    from ytworker_ytdlp.client import Client

    client = Client(YtdlpSettings(proxy=proxy, ca_file=Path(ca_file)))
    client.gate = lambda request, send: send(request.copy())
    address = f"https://www.youtube.com/{CHANNEL}/videos"
    found = client.extract_info(address, download=False, process=False, ie_key="YoutubeTab")
    for entry in itertools.islice(found["entries"], count):
        client.forget()
        watch = f"https://www.youtube.com/watch?v={entry['id']}"
        client.extract_info(watch, download=False, process=False, ie_key="Youtube")
    client.close()


def engine(proxy: str, ca_file: str, count: int, folder: Path) -> None:
    """Let a worker with a child do it, without a pace: sleeping costs nothing, and takes long."""
    from ytworker.engine.budgets import Pace
    from ytworker.engine.children import ForkServer

    with ForkServer() as server:
        from ytworker import open as open_service
        from ytworker.engine.loop import CrewPoller
        from ytworker.engine.member import Limits

        with open_service(f"sqlite://{folder}/channel.db") as service:
            params = {"channel_url": CHANNEL, "content": "videos", "route": "tab", "depth": "full", "top_n": count}
            service.enqueue("channel_scrape", params)
            sections = {"ytdlp": {"proxy": proxy, "ca_file": ca_file}}
            pace = Pace(interval=1 / _AT_ONCE, burst=_AT_ONCE, per_hour=_AT_ONCE)
            factory = replace(service.worker_factory(), pace=pace, sections=sections)
            crew = factory.create_crew(server, size=1, limits=Limits())
            poller = CrewPoller(
                worker=crew,
                queue=service.queue,
                types=crew.types,
                clock=factory.clock,
                sleep=factory.sleep,
                stopping=lambda: False,
            )
            poller.run(until_empty=True)
            (task,) = service.tasks()
            if task.outcome != "ok":
                raise RuntimeError(task.error)


if __name__ == "__main__":
    how, proxy, ca_file, count, folder = sys.argv[1:]
    if how == "bare":
        bare(proxy, ca_file, int(count))
    else:
        engine(proxy, ca_file, int(count), Path(folder))
