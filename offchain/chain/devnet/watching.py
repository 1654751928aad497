"""JSON-RPC methods that look for logs, at once or by filters that are polled."""

from dataclasses import replace
from typing import Any

from offchain.chain.devnet.answers import show_bytes, show_log
from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.envelope import Json
from offchain.chain.devnet.faults import BadParameters, LimitExceeded, Refused
from offchain.chain.devnet.filters import Filter, FilterTable
from offchain.chain.devnet.limits import MAX_LOG_BLOCKS, MAX_LOG_RESULTS
from offchain.chain.devnet.model import LogQuery
from offchain.chain.devnet.parameters import (
    BlockReference,
    Parameters,
    block_reference,
    data,
    log_addresses,
    log_topics,
)


class WatchingMethods:
    """eth_getLogs and the filter methods."""

    def __init__(self, chain: DevChain, filters: FilterTable) -> None:
        self._chain = chain
        self._filters = filters

    def methods(self) -> dict[str, Any]:
        return {
            "eth_getLogs": self.logs,
            "eth_newFilter": self.new_filter,
            "eth_newBlockFilter": self.new_block_filter,
            "eth_getFilterChanges": self.changes,
            "eth_getFilterLogs": self.filter_logs,
            "eth_uninstallFilter": lambda parameters: self._filters.remove(parameters.quantity(0)),
        }

    def logs(self, parameters: Parameters) -> list[Json]:
        return self._found(self._query(parameters.mapping(0)))

    def new_filter(self, parameters: Parameters) -> str:
        fields = parameters.mapping(0)
        if "blockHash" in fields:
            raise BadParameters("a filter has a block range, not a blockHash")
        is_open_ended = self._reference(fields, "toBlock").number is None
        query = self._query(fields)
        next_block = self._chain.head.number + 1
        identifier = self._filters.add(query, next_block=next_block, is_open_ended=is_open_ended)
        return hex(identifier)

    def new_block_filter(self, _parameters: Parameters) -> str:
        return hex(self._filters.add(None, next_block=self._chain.head.number + 1))

    def changes(self, parameters: Parameters) -> list[Any]:
        """What is new since the last poll. After a rollback it goes on from the new head."""
        watched = self._filters.use(parameters.quantity(0))
        head = self._chain.head.number
        first = min(watched.next_block, head + 1)
        if watched.query is None:
            first = max(first, head + 1 - MAX_LOG_BLOCKS)
            hashes = [self._chain.ledger.block_hash(number) for number in range(first, head + 1)]
            found: list[Any] = [show_bytes(one) for one in hashes if one is not None]
        else:
            last = head if watched.is_open_ended else min(head, watched.query.last_block)
            first_wanted = max(first, watched.query.first_block)
            found = self._found(replace(watched.query, first_block=first_wanted, last_block=last))
        watched.next_block = head + 1
        return found

    def filter_logs(self, parameters: Parameters) -> list[Json]:
        watched: Filter = self._filters.use(parameters.quantity(0))
        if watched.query is None:
            raise Refused("filter not found")
        head = self._chain.head.number
        last = head if watched.is_open_ended else watched.query.last_block
        return self._found(replace(watched.query, last_block=last))

    def _found(self, query: LogQuery) -> list[Json]:
        if query.last_block - query.first_block >= MAX_LOG_BLOCKS:
            raise LimitExceeded(f"query exceeds max block range {MAX_LOG_BLOCKS}")
        found = self._chain.ledger.logs(query, limit=MAX_LOG_RESULTS + 1)
        if len(found) > MAX_LOG_RESULTS:
            raise LimitExceeded(f"query returned more than {MAX_LOG_RESULTS} results")
        return [show_log(placed) for placed in found]

    def _query(self, fields: Json) -> LogQuery:
        addresses = log_addresses(fields.get("address"))
        topics = log_topics(fields.get("topics"))
        if "blockHash" in fields:
            if "fromBlock" in fields or "toBlock" in fields:
                raise BadParameters("cannot specify both blockHash and fromBlock/toBlock")
            wanted = data(fields["blockHash"], "blockHash", 32)
            block = self._chain.ledger.block_by_hash(wanted)
            if block is None:
                raise Refused("unknown block")
            return LogQuery(block.number, block.number, addresses, topics)
        first = self._number(self._reference(fields, "fromBlock"))
        last = self._number(self._reference(fields, "toBlock"))
        if first > last:
            raise BadParameters("invalid block range params")
        if last - first >= MAX_LOG_BLOCKS:
            raise LimitExceeded(f"query exceeds max block range {MAX_LOG_BLOCKS}")
        return LogQuery(first, last, addresses, topics)

    def _reference(self, fields: Json, name: str) -> BlockReference:
        value = fields.get(name)
        return block_reference("latest" if value is None else value, name)

    def _number(self, reference: BlockReference) -> int:
        if reference.hash is not None:
            raise BadParameters("a block range is given by numbers")
        return self._chain.head.number if reference.number is None else reference.number
