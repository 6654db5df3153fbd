"""User settings: the gate's options and the project's folders. Standard library only."""
