"""The doors: HTTP routes, the WebSocket handshake, and who may come in."""
