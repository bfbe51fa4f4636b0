"""An order-execution engine for Kraken spot.

Approved trade signals go in, orders are placed, watched, protected and closed, execution reports come out.
"""

__version__ = "0.1.0"
