"""What a ``scrape`` may give, made one thing: an iteration over items, driven from sync code whatever it is."""

import asyncio
import inspect
from collections.abc import AsyncIterable, Awaitable, Generator, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ytworker.model import Item


def drive(scraped: Any) -> Generator[Any, None, None]:
    """Iterate over whatever ``scrape`` gave, sync or async.

    Raises:
        TypeError: It is None, or nothing that holds items.
    """
    if isinstance(scraped, Awaitable):
        scraped = asyncio.run(_awaited(scraped))
    if isinstance(scraped, AsyncIterable):
        yield from _drive_async(scraped)
    elif isinstance(scraped, Iterable) and not isinstance(scraped, str | bytes | Mapping):
        yield from scraped
    else:
        msg = f"scrape() gave {type(scraped).__name__}; return a list of items or yield them (an empty list is legal)"
        raise TypeError(msg)


def as_item(yielded: Any) -> Item:
    """Turn what a plugin yielded into an item.

    Raises:
        TypeError: It is neither an Item nor a dict.
        ValueError: The dict does not fit; the message says which fields.
    """
    if isinstance(yielded, Item):
        return yielded
    if not isinstance(yielded, Mapping):
        msg = f"scrape() yielded {type(yielded).__name__}; yield ytworker.Item or a dict"
        raise TypeError(msg)
    lacking = [name for name in ("source", "kind", "id") if not yielded.get(name)]
    if lacking:
        msg = f"scrape() yielded a dict without {', '.join(lacking)}; every item needs source, kind and id"
        raise ValueError(msg)
    try:
        return Item.model_validate(dict(yielded))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        msg = f"scrape() yielded a dict that is no item: {problems}"
        raise ValueError(msg) from None


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _drive_async(scraped: AsyncIterable[Any]) -> Iterator[Any]:
    """Step an async generator from sync code; its loop lives as long as it does."""
    with asyncio.Runner() as runner:
        iterator = aiter(scraped)
        try:
            while True:
                try:
                    yield runner.run(_awaited(anext(iterator)))
                except StopAsyncIteration:
                    return
        finally:
            if inspect.isasyncgen(iterator):
                runner.run(iterator.aclose())
