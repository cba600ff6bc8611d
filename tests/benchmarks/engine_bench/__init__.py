"""The engine's figures: whole tasks, waking, starting, memory, and what it adds to yt-dlp."""
