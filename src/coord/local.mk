# src/coord
