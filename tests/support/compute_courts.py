"""The whole compute market on real stake, beacon and court: batches to open, judge and audit."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import boa

from offchain.chain.keys import LocalSigner
from offchain.compute.audit_draw import (
    FIRST_SEATS,
    SECOND_SEATS,
    Ballot,
    Committee,
    candidates_of,
    committee_of,
    penalty_of,
    seed_of,
)
from offchain.compute.model import Finish, Receipt
from offchain.compute.sum_tree import SumNode, SumTree, receipt_leaf
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.staking.tree import Leaf, StakeTree
from tests.support.compute_chain import (
    MODEL_HASH,
    NATIVE,
    PRICE_GRACE,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    compute_deployer,
    deploy_market,
    fill_bucket,
    hex_of,
    keeper,
    raw,
    settle,
    twin_deployer,
)
from tests.support.compute_chain import OWN_STAKE as PROVIDER_STAKE
from tests.support.native_evm import record_block_hash
from tests.support.staking import (
    ALIGNMENT,
    COIN,
    COMPUTE,
    DAY,
    AnOperator,
    a_member,
    a_wallet,
    deploy_staking,
    next_epoch,
    staking_deployer,
)

Unmoved = Callable[[str], AbstractContextManager[None]]

REVEAL, COMMIT, VOTE, ESCALATE = 72, 72, 36, 216
STANDING = EVIDENCE = 7 * DAY
MIN_BOND = COIN // 100
AUDITOR_PAY = COIN // 1_000
DEPOSIT, BOND = FIRST_SEATS * AUDITOR_PAY, SECOND_SEATS * AUDITOR_PAY
AUDITORS = 8
BAD_PRICE, BAD_SIGNER, EQUIVOCATION, WRONG_MODEL, OVERCLAIM, BAD_COUNT = range(16, 22)
UNAVAILABLE, AUDIT_FAIL, AUD_SILENT, AUD_MINORITY, DECLARED, SILENT_AUDIT = range(22, 28)
PROVEN, MISSED, ATTESTED = 1, 2, 3
PAID = 183  # an answer of 10 tokens in and 20 out, at the prices of `a_service`


@dataclass(frozen=True, slots=True)
class CourtsSite:
    """Everything wired; `market` is what tests of registry and escrow take.

    `paid_in`: the token that its service is paid in.
    """

    market: ComputeSite
    court: Any
    beacon: Any
    receipts: Any
    audits: Any
    auditors: tuple[AnOperator, ...]
    treasury: str
    paid_in: str = NATIVE

    @property
    def escrow(self) -> Any:
        return self.market.escrow

    @property
    def stake(self) -> Any:
        return self.market.stake

    @property
    def provider(self) -> AnOperator:
        return self.market.provider

    def tree(self, epoch: int) -> StakeTree:
        """The ALIGNMENT tree of an epoch, read pool by pool."""
        leaves = {}
        for auditor in (*self.auditors, self.provider):
            pool = auditor.pool(ALIGNMENT)
            seat = self.market.staking.registry.seat_of(pool)
            if seat:
                weight = self.stake.weight_at(pool, epoch)
                key_hash = keccak(self.stake.key_at(auditor.operator_id, epoch))
                leaves[seat - 1] = Leaf(auditor.operator_id, weight, key_hash)
        return StakeTree(leaves)

    def auditor(self, operator_id: int) -> AnOperator:
        return next(one for one in self.auditors if one.operator_id == operator_id)

    def staked(self, operator: AnOperator, service: int = COMPUTE) -> int:
        """What an operator has in a pool now."""
        return int(self.stake.pool_state(operator.pool(service)).own)


def deploy_courts(auditors: int = AUDITORS) -> CourtsSite:
    """Deploy and wire all; one provider, and auditors of equal stake, the provider among them."""
    staking = deploy_staking(court="")
    treasury, governance = a_wallet("treasury"), staking.governance
    stake = staking.stake.address
    court = staking_deployer("SlashingCourt").deploy(stake, governance, treasury, 29 * DAY)
    staking.stake.wire_court(court.address, sender=governance)
    beacon = staking_deployer("RandomBeacon").deploy(stake, governance, 7 * DAY)
    registry, escrow = deploy_market(staking)
    receipts = compute_deployer("ReceiptCourt").deploy(
        escrow.address,
        registry.address,
        stake,
        court.address,
        REVEAL,
        EVIDENCE,
        PRICE_GRACE,
        MIN_BOND,
    )
    audits = compute_deployer("AuditCourt").deploy(
        escrow.address,
        registry.address,
        staking.registry.address,
        stake,
        beacon.address,
        court.address,
        (REVEAL, COMMIT, VOTE, ESCALATE, STANDING, EVIDENCE),
        AUDITOR_PAY,
    )
    for offence, rule in offences(receipts.address, audits.address).items():
        court.add_type(offence, rule, sender=governance)
    registry.wire(escrow.address, receipts.address, audits.address, sender=governance)
    escrow.wire(receipts.address, audits.address, sender=governance)
    token = twin_deployer("hostile_token").deploy()
    provider = a_member(staking, 1, service=COMPUTE, own=PROVIDER_STAKE)
    members: tuple[AnOperator, ...] = ()
    if auditors:
        staking.stake.join(ALIGNMENT, 0, value=100 * COIN, sender=provider.owner)
        members = tuple(
            a_member(staking, 10 + number, service=ALIGNMENT) for number in range(auditors)
        )
    next_epoch(2)
    service = a_service(registry, provider)
    site = ComputeSite(staking, registry, escrow, audits, token, governance, provider, service)
    return CourtsSite(site, court, beacon, receipts, audits, members, treasury)


def offences(receipts: str, audits: str) -> dict[int, tuple[object, ...]]:
    """Types as genesis adds them."""
    terms = (0, 500, 0, EVIDENCE, False, False)
    proven = (*range(BAD_PRICE, UNAVAILABLE), DECLARED)
    rules: dict[int, tuple[object, ...]]
    rules = dict.fromkeys(proven, (PROVEN, COMPUTE, *terms, receipts))
    rules[UNAVAILABLE] = (MISSED, COMPUTE, *terms, receipts)
    rules[AUDIT_FAIL] = (ATTESTED, COMPUTE, *terms, audits)
    rules[SILENT_AUDIT] = (MISSED, COMPUTE, *terms, audits)
    terms_of_auditors = (0, 0, EVIDENCE, False, False)
    rules[AUD_SILENT] = (MISSED, ALIGNMENT, 50, *terms_of_auditors, audits)
    rules[AUD_MINORITY] = (ATTESTED, ALIGNMENT, 100, *terms_of_auditors, audits)
    return rules


@dataclass(frozen=True, slots=True)
class Answer:
    """A receipt and the signature over it."""

    receipt: Receipt
    signature: bytes

    def fields(self) -> tuple[object, ...]:
        """The receipt as contracts take it."""
        one = self.receipt
        return (
            one.request_id,
            hex_of(one.payer),
            hex_of(one.provider),
            one.service,
            one.price_version,
            one.request_hash,
            one.response_hash,
            one.model_hash,
            one.commitment,
            one.input_tokens,
            one.output_tokens,
            one.price,
            one.nonce,
            one.time,
            int(one.finish),
            one.attestation_id,
        )


def an_answer(
    site: CourtsSite, payer: bytes, nonce: int, *, key: LocalSigner | None = None, **changes: Any
) -> Answer:
    """An honest answer of 10 tokens in and 20 out, unless `changes` say otherwise."""
    receipt = Receipt(
        request_id=keccak(b"request", payer, words(nonce)),
        payer=payer,
        provider=raw(site.provider.owner),
        service=site.market.service,
        price_version=1,
        request_hash=keccak(b"body", words(nonce)),
        response_hash=keccak(b"answer", words(nonce)),
        model_hash=MODEL_HASH,
        commitment=keccak(b"commitment", words(nonce)),
        input_tokens=10,
        output_tokens=20,
        price=PAID,
        nonce=nonce,
        time=boa.env.timestamp,
        finish=Finish.STOP,
    )
    receipt = replace(receipt, **changes)
    signer = key or keeper("receipts")
    return Answer(receipt, signer.sign_digest(receipt.digest(site.market.domain())))


@dataclass(frozen=True, slots=True)
class Item:
    """An accepted item: its eight words and its leaves."""

    payer: LocalSigner
    answers: tuple[Answer, ...]
    tree: SumTree
    amount: int
    claimed: int
    first_nonce: int
    last_nonce: int

    def fields(self) -> tuple[object, ...]:
        return (
            hex_of(self.payer.address),
            1,
            self.first_nonce,
            self.last_nonce,
            self.amount,
            self.claimed,
            self.tree.count,
            self.tree.root.hash,
        )

    def leaf(self) -> SumNode:
        values = (self.payer.address, 1, self.first_nonce, self.last_nonce, self.amount)
        rest = (self.claimed, self.tree.count, self.tree.root.hash)
        return SumNode(keccak(b"\x02", words(*values, *rest)), self.amount)


@dataclass(frozen=True, slots=True)
class Posted:
    """A settled batch with everything that opens it."""

    id: int
    items: tuple[Item, ...]
    tree: SumTree
    block: int
    epoch: int
    total: int = field(default=0)

    def shown(self, index: int = 0, **changes: Any) -> tuple[object, ...]:
        """An item as courts take it."""
        fields = {
            "batch": self.id,
            "index": index,
            "item": self.items[index].fields(),
            "path": self.tree.path_bytes(index),
        }
        return tuple((fields | changes).values())

    def leaf(self, index: int = 0, leaf: int = 0, **changes: Any) -> tuple[object, ...]:
        """A leaf of an item as courts take it."""
        answer = self.items[index].answers[leaf]
        fields = {
            "index": leaf,
            "receipt": answer.fields(),
            "signature": answer.signature,
            "path": self.items[index].tree.path_bytes(leaf),
        }
        return tuple((fields | changes).values())

    def under(self, point: int) -> tuple[int, int, tuple[object, ...]]:
        """The item and leaf that pay for a unit, and both as AuditCourt.convict takes them."""
        index = self.tree.leaf_at(point)
        before = sum(item.amount for item in self.items[:index])
        tree = self.items[index].tree
        leaf = tree.leaf_at(point - before)
        node = tree.levels[0][leaf].hash
        return index, leaf, (self.shown(index), node, leaf, tree.path_bytes(leaf))


def settled(
    site: CourtsSite,
    answers: Sequence[Sequence[Answer]],
    *,
    trees: Sequence[SumTree] = (),
    cumulative: Sequence[int] = (),
    last_nonce: int = 0,
) -> Posted:
    """Settle one item for each payer's answers; `trees` takes the place of honest ones."""
    items = []
    rows = []
    for place, mine in enumerate(answers):
        holder = a_payer(f"payer {place}")
        assert mine[0].receipt.payer == holder.address
        leaves = [receipt_leaf(one.receipt, one.signature) for one in mine]
        tree = trees[place] if trees else SumTree.of(leaves)
        amount, nonces = tree.root.total, [one.receipt.nonce for one in mine]
        fill_bucket(site.market, holder.address, token=site.paid_in)
        purse = (hex_of(holder.address), site.provider.owner, site.paid_in)
        spent = int(site.escrow.bucket(*purse).spent)
        accepted = spent + (cumulative[place] if cumulative else 0)
        last = last_nonce or max(nonces)
        first = min(nonces)
        rows.append(
            an_item(
                site.market,
                holder,
                cumulative=accepted,
                cap=spent + amount,
                nonce=last,
                first_nonce=first,
                last_nonce=last,
                leaf_count=tree.count,
                leaves_root=tree.root.hash,
                token=raw(site.paid_in),
            )
        )
        claimed = spent + amount - accepted
        items.append(Item(holder, tuple(mine), tree, amount, claimed, first, last))
    batch = settle(site.market, rows, token=site.paid_in)
    assert batch != 0
    total = sum(item.amount for item in items)
    block = int(boa.env.evm.patch.block_number)
    epoch = int(site.stake.current_epoch())
    return Posted(batch, tuple(items), SumTree.of([i.leaf() for i in items]), block, epoch, total)


def in_token(site: CourtsSite, wei_per_token: int) -> CourtsSite:
    """The same market, by another service of the provider that is paid in the market's token."""
    market = site.market
    token = market.token.address
    site.escrow.set_token(token, wei_per_token, sender=market.governance)
    service = a_service(market.registry, site.provider, token=token, salt=keccak(b"in a token"))
    return replace(site, market=replace(market, service=service), paid_in=token)


def a_batch(site: CourtsSite, payers: int = 2, leaves: int = 3) -> Posted:
    """An honest batch: so many payers, so many answers each."""
    return settled(
        site,
        [
            [an_answer(site, a_payer(f"payer {p}").address, n + 1) for n in range(leaves)]
            for p in range(payers)
        ],
    )


def penalty(batch: Posted, draws: int = 1) -> int:
    return penalty_of(batch.total, draws)


def mine_seed(block: int) -> bytes:
    """Let `block` be mined with a hash of its own, long enough ago for the history contract."""
    return mine_hash(block, keccak(b"block", words(block)))


def mine_hash(block: int, block_hash: bytes) -> bytes:
    """The same with a hash that was chosen."""
    boa.env.evm.patch.block_number = max(int(boa.env.evm.patch.block_number), block + 257)
    record_block_hash(block, block_hash)
    return block_hash


def drawn(site: CourtsSite, audit: int, batch: Posted) -> Committee:
    """Draw the committee that an audit waits for, in the round it is in."""
    record = site.audits.audit(audit)
    is_new = record.round == 0
    epoch = batch.epoch if is_new else int(record.epoch)
    block = batch.block + 2 if is_new else int(record.seed_block)
    rnd = 1 if is_new else int(record.round)
    random = bytes(site.beacon.randomness(epoch))
    seats = FIRST_SEATS if rnd == 1 else SECOND_SEATS
    tree = site.tree(epoch)
    for salt in range(100):  # of so few auditors 24 attempts do not always find seven
        block_hash = mine_hash(block, keccak(b"block", words(block), bytes(salt)))
        seed = seed_of(random, block_hash, audit=audit, rnd=rnd)
        committee = committee_of(seed, tree, seats=seats, barred=site.provider.operator_id)
        others = {leaf.operator_id for leaf in tree.leaves.values()} - {site.provider.operator_id}
        if len(committee.members) == min(seats, len(others)):
            break
    site.audits.draw(audit, candidates_of(committee, tree), sender=a_wallet("stranger"))
    return committee


def a_ballot(audit: int, rnd: int, member: int, failed: int) -> Ballot:
    return Ballot(audit, rnd, member, failed, keccak(b"statistics"), keccak(b"salt", words(member)))


def vote_all(
    site: CourtsSite, audit: int, rnd: int, votes: dict[int, int], silent: Sequence[int] = ()
) -> None:
    """Every member seals; all but `silent` open. The round is not counted yet."""
    ballots = [a_ballot(audit, rnd, member, failed) for member, failed in votes.items()]
    for one in ballots:
        owner = site.auditor(one.operator_id).owner
        site.audits.commit(audit, one.commitment(), sender=owner)
    for one in ballots:
        if one.operator_id not in silent:
            owner = site.auditor(one.operator_id).owner
            site.audits.vote(audit, one.failed, one.statistics, one.salt, sender=owner)


def judged(site: CourtsSite, audit: int, batch: Posted, *votes: int) -> Committee:
    """Draw, reveal and have the first committee vote; what it decided may still be escalated."""
    committee = drawn(site, audit, batch)
    site.audits.reveal(audit, keccak(b"bundle"), sender=site.provider.owner)
    vote_all(site, audit, 1, dict(zip(committee.members, votes, strict=True)))
    site.audits.advance(audit, sender=a_wallet("stranger"))
    return committee


def picture(site: CourtsSite, audits: Sequence[int] = ()) -> tuple[Any, ...]:
    """All that a refused call must leave as it was."""
    escrow, provider = site.escrow, site.provider
    count = int(escrow.batch_count())
    payers = [hex_of(a_payer(f"payer {number}").address) for number in range(3)]
    accounts = [*payers, provider.owner, a_wallet("stranger"), *(a.owner for a in site.auditors)]
    numbers = [*range(1, count + 1), *audits]
    return (
        [escrow.batch(number) for number in range(1, count + 1)],
        [escrow.refunded_of(number, item) for number in range(1, count + 1) for item in (0, 1)],
        [escrow.free_of(one, NATIVE) for one in (*accounts, site.audits.address)],
        [
            site.receipts.demand_of(number, item)
            for number in range(1, count + 1)
            for item in (0, 1)
        ],
        [site.receipts.credit_of(one) for one in accounts],
        [site.audits.credit_of(one) for one in accounts],
        [site.audits.audit(number) for number in numbers],
        [
            site.audits.ballot(number, rnd, seat)
            for number in numbers
            for rnd in (1, 2)
            for seat in range(SECOND_SEATS + 1)
        ],
        site.audits.standing(site.market.service),
        site.market.registry.service(site.market.service),
        boa.env.get_balance(site.receipts.address),
        boa.env.get_balance(site.audits.address),
        site.staked(provider),
        [site.staked(one, ALIGNMENT) for one in site.auditors],
    )


def unmoved_at(site: CourtsSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before: tuple[Any, ...] = picture(site)
        with boa.reverts(reason):
            yield
        assert before == picture(site)

    return check
