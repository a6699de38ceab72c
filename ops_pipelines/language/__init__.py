"""What is said to people, in their language: English, Czech, French. Commands, JSON and metrics are English alone.

`said` has texts that know what they were made of, `speech` says them, `locales` has the translations.
"""
