"""Who made what lies in a store: signatures in minisign's format, and the keys of an installation."""
