"""A cell and its bath: from a file to rest, and through time."""
