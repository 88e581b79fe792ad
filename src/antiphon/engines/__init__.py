"""What an engine is: one Protocol per kind. Engines themselves are back ends, loaded by name."""
