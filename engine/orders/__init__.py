"""The heart: orders, brackets, fills and what protects them. Pure: no trio, no I/O, no clock, no randomness."""
