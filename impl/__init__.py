"""The reference implementations that are measured: one folder a workload, one file a contender."""
