"""What atoms and bonds may be: lookup tables, bond perception, and molecules rebuilt from coordinates."""
