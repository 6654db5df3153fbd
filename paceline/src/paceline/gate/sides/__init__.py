"""The two versions that a gate compares: how each gets onto the disk, is installed and started."""
