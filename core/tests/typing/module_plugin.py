"""Only type-checked: a module with two functions is a whole worker plugin."""

from collections.abc import Iterator

from ytworker import Context, Item, hookimpl


@hookimpl
def get_task_type() -> str:
    return "hello"


@hookimpl
def scrape(params: dict[str, str], context: Context) -> Iterator[Item]:
    context.expect(required=["title"], identity={"source": "example"}, where=lambda item: item.title is not None)
    context.progress(0, 1)
    yield Item(source="example", id="1", title=f"Hello {params['name']}")
