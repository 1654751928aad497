"""What every node process is made of, whatever it keeps: durable files, a bounded HTTP face, a
leased sender.

Mechanism only; it knows no contract and no protocol. Imports `chain` and `core`.
"""
