"""What must always hold, one small file per family."""
