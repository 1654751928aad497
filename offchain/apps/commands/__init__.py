"""The commands of `apogee`, grouped by noun; each parses flags and calls one function of apps."""
