"""The planted bugs, and the hunt for them: each is found by what judges the seeded world, or by a scenario's story."""
