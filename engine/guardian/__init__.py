"""A second process that watches the first: it raises alarms, and closes only as the one writer, never as a second."""
