"""A history of runs by commit and machine: stores runs, and finds changes in them."""
