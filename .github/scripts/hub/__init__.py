"""Commands that jobs on GitHub run. They import only the standard library and `paceline`'s plain modules.

All data of another job or of a pull request is hostile until `strict` has read it.
"""
