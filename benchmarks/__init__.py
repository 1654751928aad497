"""Figures that docs/performance.md quotes; each module measures one area and returns rows."""
