# pragma version 0.4.3
"""
@title Several calls in one transaction
@license AGPL-3.0-only
@author Apogee
@notice For tests only: what one of them leaves behind for the rest of the transaction, the next one meets.
"""
MAX_CALLS: constant(uint256) = 4


struct Call:
    target: address
    payload: Bytes[8_192]


@external
def make(calls: DynArray[Call, MAX_CALLS]):
    for one: Call in calls:
        raw_call(one.target, one.payload)
