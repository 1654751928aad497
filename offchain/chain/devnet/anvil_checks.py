"""Bounds that Anvil does not have itself: log ranges, log results, number of filters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from offchain.chain.devnet import envelope
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import BadParameters, LimitExceeded, RpcFault
from offchain.chain.devnet.filters import FILTER_LIFE_SECONDS, MAX_FILTERS
from offchain.chain.devnet.limits import MAX_LOG_BLOCKS, MAX_LOG_RESULTS
from offchain.chain.devnet.parameters import Parameters, block_reference, log_addresses, log_topics

CREATING_METHODS: Final = frozenset(
    {"eth_newFilter", "eth_newBlockFilter", "eth_newPendingTransactionFilter"}
)
LISTING_METHODS: Final = frozenset({"eth_getLogs", "eth_getFilterChanges", "eth_getFilterLogs"})
CHECKED_METHODS: Final = CREATING_METHODS | LISTING_METHODS | {"eth_uninstallFilter"}

Ask = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class _Known:
    fields: Json | None
    deadline: float


class AnvilChecks:
    """Looks at requests before Anvil does, and at the length of what it answers."""

    def __init__(self, ask: Ask, *, clock: Callable[[], float]) -> None:
        self._ask = ask
        self._clock = clock
        self._filters: dict[str, _Known] = {}

    async def refusal(self, request: envelope.Request) -> RpcFault | None:
        """Why this request must not reach Anvil; None when it may."""
        if request.method not in CHECKED_METHODS:
            return None
        try:
            await self._check(request)
        except RpcFault as fault:
            return fault
        except (KeyError, TypeError, ValueError):
            return BadParameters("invalid argument 0")
        return None

    def bounded(self, request: envelope.Request, answer: Json) -> Json:
        """The answer, or a refusal when it lists too much; remembers filters made and gone."""
        result = answer.get("result")
        if request.method in LISTING_METHODS and isinstance(result, list):
            if len(result) > MAX_LOG_RESULTS:
                fault = LimitExceeded(f"query returned more than {MAX_LOG_RESULTS} results")
                return envelope.failure(request.id, fault)
        elif request.method in CREATING_METHODS and isinstance(result, str):
            fields = request.params[0] if request.method == "eth_newFilter" else None
            self._filters[result] = _Known(fields, self._clock() + FILTER_LIFE_SECONDS)
        elif request.method == "eth_uninstallFilter" and request.params:
            self._filters.pop(str(request.params[0]), None)
        return answer

    async def _check(self, request: envelope.Request) -> None:
        if request.method in CREATING_METHODS:
            self._drop_expired()
            if len(self._filters) >= MAX_FILTERS:
                raise LimitExceeded(f"at most {MAX_FILTERS} filters at once")
        if request.method in {"eth_getLogs", "eth_newFilter"}:
            await self._check_range(Parameters(request.params).mapping(0))
        elif request.method in {"eth_getFilterChanges", "eth_getFilterLogs"} and request.params:
            known = self._filters.get(str(request.params[0]))
            if known is not None:
                known.deadline = self._clock() + FILTER_LIFE_SECONDS
                if request.method == "eth_getFilterLogs" and known.fields is not None:
                    await self._check_range(known.fields)

    async def _check_range(self, fields: Json) -> None:
        log_addresses(fields.get("address"))
        log_topics(fields.get("topics"))
        if "blockHash" in fields:
            if "fromBlock" in fields or "toBlock" in fields:
                raise BadParameters("cannot specify both blockHash and fromBlock/toBlock")
            return
        numbers = [
            block_reference(fields.get(name) or "latest", name).number
            for name in ("fromBlock", "toBlock")
        ]
        if numbers == [None, None]:
            return
        head = int(await self._ask("eth_blockNumber"), 16) if None in numbers else 0
        first, last = (head if number is None else number for number in numbers)
        if first > last:
            raise BadParameters("invalid block range params")
        if last - first >= MAX_LOG_BLOCKS:
            raise LimitExceeded(f"query exceeds max block range {MAX_LOG_BLOCKS}")

    def _drop_expired(self) -> None:
        now = self._clock()
        self._filters = {
            identifier: known for identifier, known in self._filters.items() if known.deadline > now
        }
