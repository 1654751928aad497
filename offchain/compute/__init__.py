"""The compute market: what a buyer signs, what a provider serves, what anybody can check.

Owns services, vouchers, receipts, batches, engines and audits. May import storage, da, staking,
node, chain and core; knows no gateway, no task queue and no command line.
"""
