import pytest

from server.demo.country import Country, make_country

RECORDED_SEED = 148


@pytest.fixture(scope="session")
def lamaria() -> Country:
    return make_country(RECORDED_SEED)
