"""The operating system: git, files, processes, CPUs. Standard library only, so that CI scripts can use it."""
