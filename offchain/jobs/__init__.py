"""Celery jobs: thin tasks keyed by an on-chain id, and the loop that finds what a crash lost.

Owns queues, retries and alarms. May import the domains, chain and core; what a job does is
handed in by apps. The truth about what is left to do is the chain, never the queue.
"""

from offchain.jobs.model import Handling, Job, JobKind, Outcome

__all__ = ["Handling", "Job", "JobKind", "Outcome"]
