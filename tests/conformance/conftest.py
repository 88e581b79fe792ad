import pytest

pytest_plugins = ["conformance_server"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
