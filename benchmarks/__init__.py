"""How the implementations are measured: by pytest-benchmark, by asv and by `python -m benchmarks.ratios`.

asv imports every module of this package, in environments that hold a contender's frameworks and nothing more.
Importing one must therefore need no more than NumPy; pytest, rich and the like are imported where they are used.
"""

from benchmarks import environment

environment.apply()
