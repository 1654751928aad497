"""Agents beside the outside: processes, HTTP faces, chain."""
