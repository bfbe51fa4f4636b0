"""The five things that come from outside: clock, chance, ids, disk and (in engine.net) the wire."""
