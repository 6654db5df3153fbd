"""What was found, as data, and how it is shown. Standard library only."""
