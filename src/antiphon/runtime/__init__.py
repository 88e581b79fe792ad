"""Where asyncio meets the core: one task, one inbox, one session."""
