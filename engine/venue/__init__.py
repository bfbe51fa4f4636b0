"""What an exchange must offer the engine."""
