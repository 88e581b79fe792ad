"""A self-hosted server for the OpenAI and Azure OpenAI Realtime API."""

__version__ = "0.1.0"
