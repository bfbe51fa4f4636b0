"""The door for commands: one table of verbs, served over a Unix socket, and the client that knocks.

The web framework is imported when a door opens (``server``), never by the table, the place or the client.
"""
