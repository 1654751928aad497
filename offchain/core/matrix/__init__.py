"""The coded matrix that data availability certifies and storage keeps: encode, judge, decode.

Pure: rows and headers in, verdicts and payloads out. Imports the rest of `core` alone.
"""
