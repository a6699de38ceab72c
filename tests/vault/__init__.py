"""What of a store is believed."""
