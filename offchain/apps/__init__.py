"""Composition roots: one file per process, settings, supervisor and the command line.

May import every layer below and wires them; knows no protocol rule. Nothing imports apps.
"""
