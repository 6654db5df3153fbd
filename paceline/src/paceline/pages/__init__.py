"""The site of a history: asv's own pages, made self-contained and safe, with *Compare* and *Slowdowns*."""
