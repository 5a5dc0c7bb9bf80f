"""The page that shows a run: pictures and figures from the store, in one HTML file."""
