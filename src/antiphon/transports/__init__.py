"""How events travel between a client and a session."""
