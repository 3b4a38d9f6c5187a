"""Reports for people: one self-contained HTML file of a scoring."""
