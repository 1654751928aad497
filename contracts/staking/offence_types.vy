# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The table of offences
@license AGPL-3.0-only
@author Apogee
@notice Invariant: after `seal`, a rule that is new or stricter was announced RULE_DELAY before it binds,
        and at all times the harsher of a ranked pair costs at least what the milder can ever cost.
@dev A rule fills one slot, because every report reads it. RULE_DELAY outlasts the unbonding time of every
     service and evidence windows end earlier still, so whoever answers to a new rule could have left.
"""
from ..interfaces import IAdjudicator
from ..interfaces import ISlashingCourt
from ..interfaces import IStakeManager
from ..interfaces import IStakeView
from ..shared import constants as C
from ..shared import governed

uses: governed

DA_CAP_BPS: constant(uint256) = 3_000  # all DA offences of one signer in one epoch together, da.md
ATTESTED_BPS: constant(uint256) = 3_000  # a verdict of people never takes more
REPORTER_BPS: constant(uint256) = 2_000  # reporting oneself recovers a fifth at best
MAX_OFFENCE: constant(uint256) = 65_535  # an offence fills 16 bits of a case
MAX_JAIL_EPOCHS: constant(uint256) = 65_535
MAX_EVIDENCE_SECONDS: constant(uint256) = 2**24 - 1

# bits of a packed rule, lowest first: adjudicator 160, evidence 24, jail 16, reporter 16, base 16,
# service 8, class 8, flags 8
SHIFT_EVIDENCE: constant(uint256) = 160
SHIFT_JAIL: constant(uint256) = 184
SHIFT_REPORTER: constant(uint256) = 200
SHIFT_BASE: constant(uint256) = 216
SHIFT_SERVICE: constant(uint256) = 232
SHIFT_CLASS: constant(uint256) = 240
SHIFT_FLAGS: constant(uint256) = 248

LEDGER: immutable(IStakeManager)
RULE_DELAY: immutable(uint256)  # seconds

is_sealed: reentrant(public(bool))
rules: HashMap[uint256, uint256]
announced: HashMap[uint256, uint256]
announced_for: HashMap[uint256, uint256]  # seconds
milder_than: reentrant(public(HashMap[uint256, uint256]))
harsher_than: reentrant(public(HashMap[uint256, uint256]))


@deploy
def __init__(stake: address, rule_delay: uint256):
    for service: uint256 in range(1, C.SERVICE_COUNT + 1):
        unbonding: uint256 = staticcall IStakeView(stake).unbonding_seconds(service)
        assert rule_delay > unbonding, "types: delay below unbonding"

    LEDGER = IStakeManager(stake)
    RULE_DELAY = rule_delay


# --- GOVERNANCE


@external
def add_type(offence: uint256, rule: ISlashingCourt.Rule):
    """
    @notice Add a type of offence or change its rule: at once before `seal` or when nothing gets stricter,
            otherwise after RULE_DELAY.
    @param offence Its number, shared/constants.vy.
    @param rule What it costs and who says that it happened.
    """
    governed._check_governance()
    self._check_rule(offence, rule)

    packed: uint256 = self._pack(rule)
    self.announced[offence] = 0
    if not self.is_sealed or not self._is_stricter(self._unpack(self.rules[offence]), rule):
        self._put_in_force(offence, packed)
    else:
        self.announced[offence] = packed
        self.announced_for[offence] = block.timestamp + RULE_DELAY
        log ISlashingCourt.RuleAnnounced(
            offence=offence, rule=rule, binds_from=block.timestamp + RULE_DELAY
        )


@external
def rank(harsher: uint256, milder: uint256):
    """
    @notice Fix for ever that `harsher` costs at least what `milder` can cost (silence, partial answer,
            declared fault).
    """
    governed._check_governance()
    assert harsher != milder, "types: one type has no rank"
    assert self.milder_than[harsher] == 0 and self.harsher_than[milder] == 0, "types: ranked already"
    self._check_order(self._unpack(self.rules[harsher]), self._unpack(self.rules[milder]))

    self.milder_than[harsher] = milder
    self.harsher_than[milder] = harsher
    log ISlashingCourt.Ranked(harsher=harsher, milder=milder)


@external
def seal():
    """
    @notice End the set-up: from here on RULE_DELAY protects those who are staked.
    """
    governed._check_governance()
    assert not self.is_sealed, "types: sealed already"

    self.is_sealed = True
    log ISlashingCourt.Sealed()


# --- PERMISSIONLESS


@external
def apply_type(offence: uint256):
    """
    @notice Put an announced rule in force once its delay is over.
    """
    packed: uint256 = self.announced[offence]
    assert packed != 0, "types: nothing announced"
    assert block.timestamp >= self.announced_for[offence], "types: delay is not over"

    self.announced[offence] = 0
    self._put_in_force(offence, packed)


# --- VIEWS


@external
@view
@reentrant
def type_of(offence: uint256) -> ISlashingCourt.Rule:
    return self._unpack(self.rules[offence])


@external
@view
@reentrant
def announced_type(offence: uint256) -> (ISlashingCourt.Rule, uint256):
    """
    @return The announced rule (class 0: none) and the second from which `apply_type` accepts it.
    """
    return self._unpack(self.announced[offence]), self.announced_for[offence]


@external
@view
@reentrant
def cap_of(offence: uint256) -> uint256:
    return self._cap_bps(self._unpack(self.rules[offence]))


# --- INTERNAL


@internal
@view
def _rule(offence: uint256) -> ISlashingCourt.Rule:
    packed: uint256 = self.rules[offence]
    assert packed != 0, "types: unknown offence"

    return self._unpack(packed)


@internal
@pure
def _cap_bps(rule: ISlashingCourt.Rule) -> uint256:
    # one cap per service, except for what takes all: then the sum does not depend on the order of reports
    if rule.base_bps == C.BPS or rule.service != C.DA:
        return C.BPS
    return DA_CAP_BPS


@internal
def _put_in_force(offence: uint256, packed: uint256):
    rule: ISlashingCourt.Rule = self._unpack(packed)
    milder: uint256 = self.milder_than[offence]
    if milder != 0:
        self._check_order(rule, self._unpack(self.rules[milder]))
    harsher: uint256 = self.harsher_than[offence]
    if harsher != 0:
        self._check_order(self._unpack(self.rules[harsher]), rule)

    self.rules[offence] = packed
    log ISlashingCourt.RuleChanged(offence=offence, rule=rule)


@internal
@pure
def _check_order(harsher: ISlashingCourt.Rule, milder: ISlashingCourt.Rule):
    # amounts named by an adjudicator cannot be compared here
    assert harsher.base_bps != 0 and milder.base_bps != 0, "types: no rate to rank"
    most: uint256 = milder.base_bps
    if milder.correlated:
        most = self._cap_bps(milder)
    assert harsher.base_bps >= most, "types: milder costs more"
    assert self._cap_bps(harsher) >= self._cap_bps(milder), "types: milder costs more"


@internal
@view
def _check_rule(offence: uint256, rule: ISlashingCourt.Rule):
    assert offence != 0 and offence <= MAX_OFFENCE, "types: number out of range"
    assert rule.offence_class >= C.PROVEN and rule.offence_class <= C.ATTESTED, "types: unknown class"
    assert rule.service != 0 and rule.service <= C.SERVICE_COUNT, "types: unknown service"
    assert rule.base_bps <= self._cap_bps(rule), "types: base above the cap"
    assert rule.reporter_bps <= REPORTER_BPS, "types: reporter share too high"
    assert rule.jail_epochs <= MAX_JAIL_EPOCHS, "types: jail too long"
    if rule.offence_class != C.PROVEN:
        assert not rule.correlated and not rule.tombstones, "types: only proofs go so far"
    if rule.offence_class == C.ATTESTED:
        assert rule.base_bps <= ATTESTED_BPS, "types: attested above 30 %"

    assert rule.evidence_seconds <= MAX_EVIDENCE_SECONDS, "types: evidence window too long"
    longest: uint256 = staticcall LEDGER.evidence_seconds(rule.service)
    assert rule.evidence_seconds <= longest, "types: evidence window too long"
    assert rule.adjudicator != empty(address), "types: no adjudicator"
    if rule.adjudicator.is_contract:
        asked: uint256 = staticcall IAdjudicator(rule.adjudicator).evidence_seconds(offence)
        assert asked == rule.evidence_seconds, "types: window differs"


@internal
@pure
def _is_stricter(old: ISlashingCourt.Rule, new: ISlashingCourt.Rule) -> bool:
    if old.offence_class != new.offence_class or old.service != new.service:
        return True
    if old.adjudicator != new.adjudicator or old.evidence_seconds < new.evidence_seconds:
        return True
    if (new.correlated and not old.correlated) or (new.tombstones and not old.tombstones):
        return True
    # a rate of 0 hands the amount to the adjudicator, so no rate is milder than it or stricter
    if (old.base_bps == 0) != (new.base_bps == 0):
        return True
    return old.base_bps < new.base_bps or old.jail_epochs < new.jail_epochs


@internal
@pure
def _pack(rule: ISlashingCourt.Rule) -> uint256:
    flags: uint256 = convert(rule.correlated, uint256) | convert(rule.tombstones, uint256) << 1
    packed: uint256 = convert(rule.adjudicator, uint256) | rule.evidence_seconds << SHIFT_EVIDENCE
    packed |= rule.jail_epochs << SHIFT_JAIL | rule.reporter_bps << SHIFT_REPORTER
    packed |= rule.base_bps << SHIFT_BASE | rule.service << SHIFT_SERVICE
    return packed | rule.offence_class << SHIFT_CLASS | flags << SHIFT_FLAGS


@internal
@pure
def _unpack(packed: uint256) -> ISlashingCourt.Rule:
    return ISlashingCourt.Rule(
        offence_class=(packed >> SHIFT_CLASS) & 255,
        service=(packed >> SHIFT_SERVICE) & 255,
        base_bps=(packed >> SHIFT_BASE) & 65_535,
        reporter_bps=(packed >> SHIFT_REPORTER) & 65_535,
        jail_epochs=(packed >> SHIFT_JAIL) & 65_535,
        evidence_seconds=(packed >> SHIFT_EVIDENCE) & MAX_EVIDENCE_SECONDS,
        correlated=(packed >> SHIFT_FLAGS) & 1 == 1,
        tombstones=(packed >> SHIFT_FLAGS) & 2 == 2,
        adjudicator=convert(packed & (2**160 - 1), address),
    )
