"""`apogee attack`: drills against a running network, and who lost what in each."""
