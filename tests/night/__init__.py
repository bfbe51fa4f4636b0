"""A night of searching: seeds in every weather, deaths at every act, mutants of the heart, for so many hours."""
