"""What an engine is: one Protocol per kind. The engines themselves are back ends, loaded by name."""
