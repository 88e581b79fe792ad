import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The parsers are shown every frame that the other cases have collected.
    items.sort(key=lambda item: item.path.name == "test_parsers.py")
