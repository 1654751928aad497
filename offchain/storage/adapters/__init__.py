"""Adapters of the storage ports: disks, object stores, HTTP, the chain, and memory for tests."""
