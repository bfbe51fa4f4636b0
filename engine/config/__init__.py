"""Every setting of the program in one frozen model: command line over ENGINE_* environment over file over built in.

Defaults are those of the rooms' own records, which is where a setting ends up; config/engine.toml explains each one.
The API key is no setting: it comes from the environment, a credentials directory or a file only its owner can read.
No other room reads the environment.
"""

from engine.config.credentials import Credentials
from engine.config.key_files import load_credentials
from engine.config.reading import load_settings
from engine.config.settings import Settings

__all__ = ["Credentials", "Settings", "load_credentials", "load_settings"]
