"""The seeded world: engine, exchange and seams on one virtual clock."""
