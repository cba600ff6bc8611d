"""A task of procrastinate's that does nothing."""

import os

import procrastinate

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DSN"]))


@app.task(name="nothing")
async def nothing(number: int) -> None:
    """Do nothing."""


async def fill(count: int) -> None:
    """Empty the queue, and put so many tasks in."""
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
        await nothing.batch_defer_async(*({"number": number} for number in range(count)))
