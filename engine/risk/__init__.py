"""What may not be sent. Pure."""
