"""A history of runs by commit and machine: how it is kept, and how changes in it are found."""
