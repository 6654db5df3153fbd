"""How runs get into a history: recorded, imported, fetched."""
