"""What jobs on GitHub run; the standard library and `paceline`'s plain modules are all it imports.

Whatever another job or a pull request hands over is hostile until `strict` has read it.
"""
