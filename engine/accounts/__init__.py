"""Money made and lost. Pure."""
