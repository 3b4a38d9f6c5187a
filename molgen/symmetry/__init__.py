"""Space groups, Wyckoff positions and genes: crystals as orbits. Tables and numpy only."""
