"""What every domain shares and none owns: errors, units, hashes, trees, codecs, erasure code.

Owns: the error kinds, the table of tagged hashes, the leaf rule, the BLS and field arithmetic.
May import: nothing of Apogee; no sockets, no files, no clock.
"""
