"""The queue measured against plain SQL and against other embedded queues, side by side in one run."""
