"""The HTTP gateway of a home: publish and read data availability over one loopback port.

Owns: routes, their access table, back-pressure, idempotency. May import: da and below.
"""
