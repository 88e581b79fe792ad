"""Engines that come with the server. They are loaded by entry point and imported by nobody."""
