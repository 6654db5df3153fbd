"""The computer: git, files, processes, CPUs. Standard library only, so that scripts of CI can use it."""
