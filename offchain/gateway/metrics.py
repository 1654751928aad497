"""What the gateway counts, in Prometheus' text form; labels come from small sets only."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

TEXT: Final = "text/plain; version=0.0.4"
_PREFIX: Final = "apogee_gateway_"


@dataclass(slots=True)
class Metrics:
    """Counters since the process began."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def text(self, gauges: Mapping[str, int]) -> str:
        """Everything, one sample a line."""
        lines = [f"# TYPE {_PREFIX}requests_total counter"]
        for (method, route, status), count in sorted(self.requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            lines.append(f"{_PREFIX}requests_total{{{labels}}} {count}")
        lines.append(f"# TYPE {_PREFIX}refused_total counter")
        for code, count in sorted(self.refused.items()):
            lines.append(f'{_PREFIX}refused_total{{code="{code}"}} {count}')
        lines.append(f"# TYPE {_PREFIX}payload_bytes_total counter")
        for direction, size in sorted(self.bytes.items()):
            lines.append(f'{_PREFIX}payload_bytes_total{{direction="{direction}"}} {size}')
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE {_PREFIX}{name} gauge", f"{_PREFIX}{name} {value}"]
        return "\n".join(lines) + "\n"
