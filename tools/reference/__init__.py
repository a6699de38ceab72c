"""The reference pages of `docs/reference/`, written from the code that they describe.

What a page says stands in the code: in the models, the commands' own help, the metrics' definitions, the errors. A page
is never edited by hand; `tests/docs` compares each with what would be written.
"""
