"""A folder or a file for each question; sisters never import each other."""
