"""Finds changes in a history: slowdowns and improvements, their machines and commits."""
