"""Plain values: money, instruments, ids, times. Pure."""
