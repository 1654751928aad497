"""Adapters of the compute domain: engines, chain, HTTP faces, files.

May import web frameworks, torch and transformers where a port asks for it.
"""
