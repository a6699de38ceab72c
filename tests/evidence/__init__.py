"""Bundles for an auditor, of houses that have lived."""
