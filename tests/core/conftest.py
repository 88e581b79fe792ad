import pytest
from talk import Talk


@pytest.fixture
def talk() -> Talk:
    return Talk()
