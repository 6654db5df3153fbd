"""How much memory benchmarks need: measured in processes of its own, judged, or recorded."""
