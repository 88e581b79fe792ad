"""The session: decides everything the client can observe, and touches nothing of the world."""
