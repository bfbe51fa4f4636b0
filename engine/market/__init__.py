"""Market data as values: the book and its freshness. Pure."""
