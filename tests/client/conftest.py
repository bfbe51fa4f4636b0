"""The running engine of the door's tests, for clients that know nothing of it."""

from tests.control.conftest import data_dir, open_live

__all__ = ["data_dir", "open_live"]
