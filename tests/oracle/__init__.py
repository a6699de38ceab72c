"""What tests judge by that is not ours: the plain dump texts which each database's own tools print."""
