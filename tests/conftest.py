"""How the whole suite runs."""

import gc


def pytest_configure() -> None:
    """Look for garbage more seldom: tests are short, most of what they make dies with them. It saves a fifth."""
    gc.set_threshold(50_000, 20, 100)
