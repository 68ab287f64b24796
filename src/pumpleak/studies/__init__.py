"""One folder for each question; sisters never import each other."""
