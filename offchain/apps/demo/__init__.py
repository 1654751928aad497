"""`apogee demo`: a real file through a real network of eight staked nodes, and a cheat slashed."""
