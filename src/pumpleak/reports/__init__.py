"""What a reader gets: figures, pages, studies."""
