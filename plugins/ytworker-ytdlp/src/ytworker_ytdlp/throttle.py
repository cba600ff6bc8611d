"""Reading Retry-After."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LIMIT = 24 * 3600.0


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header: seconds or an HTTP date.

    Args:
        header: The value, or None where the answer had none.
        now: What time it is, for dates.

    Returns:
        Seconds between 0 and a day, or None for no header and for garbage.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LIMIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), LIMIT)
