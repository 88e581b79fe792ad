"""The composition root: settings become engines, deployments, doors and a running server."""

from antiphon.app.addresses import Addresses, prepare_authority
from antiphon.app.deployments import assemble
from antiphon.app.server import Server

__all__ = ["Addresses", "Server", "assemble", "prepare_authority"]
