"""Opening the list of a channel by the chosen route, and making sure of what an empty or missing one means."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from ytworker import GoneError, Item, RetryableError, SuspectError
from ytworker_channel.parameters import ChannelParameters, Content
from ytworker_channel.plan import choose_route
from ytworker_ytdlp import (
    ChannelFacts,
    ChannelRef,
    Feed,
    FeedMissingError,
    Listing,
    NoSuchTabError,
    Session,
    listed_item,
    open_tab,
    open_uploads,
    read_feed,
    resolve_channel,
)
from ytworker_ytdlp.ids import Tab

LATER = 600.0
TABS: tuple[Tab, ...] = get_args(Tab)


@dataclass(frozen=True, slots=True)
class Found:
    """A channel's list as items, newest first.

    Attributes:
        items: Lazy; further pages are asked for while it is iterated.
        cut_off: All items, where more may follow that this route cannot reach: those of a full feed.
    """

    items: Iterator[Item]
    cut_off: tuple[Item, ...] = ()


def open_list(session: Session, params: ChannelParameters) -> Found:
    """Open the list that a task asks for.

    Raises:
        GoneError: No such channel, or no more.
        SuspectError: Neither entries nor channel facts came back: nothing may be concluded.
        RetryableError: The feed is missing though the channel is there.
    """
    route = choose_route(params)
    channel, content = params.channel, params.content
    if route == "tab" and content != "all":
        return _from_tab(session, channel, content, fall_back=params.route == "auto")
    if route == "feed":
        feed = _feed(session, channel, content)
        return Found(iter(feed.items), () if feed.complete else feed.items)
    return _from_uploads(session, channel, content)


def _from_tab(session: Session, channel: ChannelRef, tab: Tab, *, fall_back: bool) -> Found:
    try:
        listing = open_tab(session, channel, tab)
    except NoSuchTabError:
        # Topic channels have videos and no tab of them; other kinds that are not shown are not there.
        return _beside_the_tab(session, channel, tab) if fall_back and tab == "videos" else Found(iter(()))
    if not listing.empty:
        return Found(_items(listing))
    if not fall_back:
        raise _hollow(session, f"{channel}/{tab}", "Try --route uploads")
    uploads = _uploads_or_none(session, resolve_channel(session, channel), tab)
    if uploads is None or uploads.empty:
        raise _hollow(session, str(channel), "Try --route feed")
    return Found(_items(uploads))


def _beside_the_tab(session: Session, channel: ChannelRef, tab: Tab) -> Found:
    uploads = _uploads_or_none(session, resolve_channel(session, channel), tab)
    return Found(_items(uploads) if uploads else iter(()))


def _hollow(session: Session, subject: str, cure: str) -> SuspectError:
    msg = f"{subject}: the page holds no videos, as those of age-restricted and topic channels do, and any page "
    msg += f"after a change of YouTube's layout. {cure}"
    return SuspectError(msg, retry_after=LATER, source=session.source)


def _from_uploads(session: Session, channel: ChannelRef, content: Content) -> Found:
    facts = None if channel.channel_id else _facts(session, channel, content)
    channel_id = channel.channel_id or (facts.id if facts else None) or resolve_channel(session, channel)
    listing = _uploads_or_none(session, channel_id, content)
    if listing is None or listing.empty:
        return _without_uploads(session, ChannelRef("id", channel_id), content)
    if facts and facts.id == channel_id:
        listing.channel = facts
    return Found(_items(listing))


def _uploads_or_none(session: Session, channel_id: str, content: Content) -> Listing | None:
    try:
        return open_uploads(session, channel_id, content)
    except GoneError:
        return None


def _without_uploads(session: Session, channel: ChannelRef, content: Content) -> Found:
    """Find out what a missing uploads list means: the channel is gone, it has nothing of this kind, or it has.

    The tabs tell: a gone channel raises, a missing tab is a legal nothing, a tab of one kind stands in for the list.
    """
    for tab in TABS if content == "all" else (content,):
        try:
            listing = open_tab(session, channel, tab)
        except NoSuchTabError:
            continue
        if listing.empty:
            raise _hollow(session, str(channel), "Open it in a browser; if it shows videos, try --route feed")
        if content != "all":
            return Found(_items(listing))
        msg = f"{channel}: its uploads list is missing though its tab {tab} holds videos. Try --content {tab}"
        raise SuspectError(msg, retry_after=LATER, source=session.source)
    return Found(iter(()))


def _facts(session: Session, channel: ChannelRef, content: Content) -> ChannelFacts | None:
    """Learn of a channel, above all its id, from the first page of a tab: two requests.

    Returns:
        The facts; None where the page tells none or no tab is there.

    Raises:
        GoneError: No such channel, or no more.
    """
    for tab in TABS if content == "all" else (content, *(tab for tab in TABS if tab != content)):
        try:
            return open_tab(session, channel, tab).channel or None
        except NoSuchTabError:
            continue
    return None


def _feed(session: Session, channel: ChannelRef, content: Content) -> Feed:
    facts = None if channel.channel_id else _facts(session, channel, content)
    channel_id = channel.channel_id or (facts.id if facts else None) or resolve_channel(session, channel)
    missing: FeedMissingError | None = None
    try:
        return read_feed(session, channel_id, content)
    except FeedMissingError as error:
        missing = error
    # Not inside the handler: yt-dlp takes whatever exception is being handled for the cause of its own.
    if not facts:
        _facts(session, ChannelRef("id", channel_id), content)
    msg = f"{channel}: the feed answers 404 though the channel is there, which happens in waves. It is tried again; "
    msg += "--depth full does without the feed"
    raise RetryableError(msg, source=session.source) from missing


def _items(listing: Listing) -> Iterator[Item]:
    return (listed_item(entry, listing, rank) for rank, entry in enumerate(listing.entries, 1))
