"""What buying counts, as Prometheus takes it; labels come from small sets, never from requests."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ComputeMetrics:
    """Counters since the process began, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.tokens = Counter(
            "apogee_compute_tokens_total",
            "Tokens of verified answers.",
            ["direction"],
            registry=self._registry,
        )
        self.receipts = Counter(
            "apogee_compute_receipts_total",
            "Answers by what their receipts proved: verified, refused, cut, recovered, lost.",
            ["outcome"],
            registry=self._registry,
        )
        self.fallbacks = Counter(
            "apogee_compute_fallbacks_total",
            "Providers that failed before anything was passed on.",
            registry=self._registry,
        )
        self.first_token = Histogram(
            "apogee_compute_first_token_seconds",
            "From sending a streamed request to its first text.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.answer = Histogram(
            "apogee_compute_answer_seconds",
            "From a request to its whole verified answer.",
            buckets=SECONDS,
            registry=self._registry,
        )

    def text(self) -> str:
        """Everything in Prometheus' text form."""
        return generate_latest(self._registry).decode()
