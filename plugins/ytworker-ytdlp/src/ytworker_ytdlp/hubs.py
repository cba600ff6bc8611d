"""The pages where YouTube itself shows what is popular: gaming, live and podcasts.

They take the place of the Trending page, which is gone (its address leads home, its API answers HTTP 400). What they
show follows the address that asks; there is no way to name a country.
"""

import itertools
from typing import Literal

from ytworker import SuspectError
from ytworker_ytdlp.ids import SITE
from ytworker_ytdlp.listing import Listing, open_listing
from ytworker_ytdlp.session import Session

Hub = Literal["gaming", "live", "podcasts"]

HUB_URLS: dict[Hub, str] = {
    "gaming": f"{SITE}/gaming/trending",
    "live": f"{SITE}/channel/UC4R8DWoMoI7CAwX8_LjQHig/livetab",
    "podcasts": f"{SITE}/podcasts/popularepisodes",
}


def open_hub(session: Session, hub: Hub) -> Listing:
    """Open a hub: resolve and first page, two requests; its name is ``hub:gaming`` and so on.

    Raises:
        SuspectError: It holds no video. A hub is never empty, so nothing may be concluded.
    """
    listing = open_listing(session, HUB_URLS[hub], f"hub:{hub}", f"the {hub} hub")
    first = next(listing.entries, None)
    if first is None:
        msg = f"the {hub} hub came without a video, and it is never empty. It is asked again once; if it stays, open "
        msg += f"{HUB_URLS[hub]} in a browser, and update yt-dlp where it shows videos"
        raise SuspectError(msg, source=session.source)
    listing.entries = itertools.chain([first], listing.entries)
    return listing
