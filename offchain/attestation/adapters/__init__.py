"""The vendor's library, and machines of software that stand in for hardware on a devnet."""
