"""Judge a change's speed by a randomised controlled trial against its base.

Importing this package imports nothing else: worker processes load it beside the code that they time.
"""
