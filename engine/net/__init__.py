"""The network seam: one ``connect`` over TCP or over a virtual wire, and what stands directly on it."""
