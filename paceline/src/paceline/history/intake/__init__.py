"""Adds runs to a history: records, imports and fetches them."""
