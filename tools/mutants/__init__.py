"""Changes that would make a verdict a lie, made on a copy of this tree: some test must fail for each.

`named` has ten that once passed unseen, each with the tests that must catch it. `sample` makes many by rule, with
Cosmic Ray, in the modules that decide what a verdict is worth. Neither touches the working tree.
"""
