"""``python -m engine``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.platform == "win32":
        sys.exit("kraken-order-engine runs on Linux and macOS, not on Windows: use WSL there.")
    try:
        from engine.cli.app import main as run_app  # behind the check: its rooms need what Windows has not

        code = run_app(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130  # as the shell says it; a traceback of the imports helps nobody
    sys.exit(code)


if __name__ == "__main__":
    main()
