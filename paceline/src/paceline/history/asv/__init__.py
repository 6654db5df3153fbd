"""asv's result files: read strictly, kept in a cache, ordered by commit."""
