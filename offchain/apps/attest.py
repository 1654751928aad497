"""`apogee attest verify`: judge a quote or a whole bundle, say every reason or show the claims."""

import binascii
import datetime as dt
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.attestation import has_software_tee, tee_folder
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home, Manifest
from offchain.apps.network import Network, connect, deployment_file
from offchain.apps.output import print_json
from offchain.apps.settings import ChainSettings, read_settings
from offchain.attestation.adapters.chain_policy import chain_policy
from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_tee import read_root
from offchain.attestation.bundle import MAX_BUNDLE_BYTES, parse_bundle
from offchain.attestation.canonical import canonical_bytes, canonical_collateral
from offchain.attestation.intel_root import INTEL_ROOT_DER
from offchain.attestation.model import Claims, SgxBody
from offchain.attestation.policy import Policy
from offchain.attestation.policy_file import (
    PolicyFile,
    encode_policy,
    parse_policy,
    production_policy,
)
from offchain.attestation.reasons import EvidenceRefused
from offchain.attestation.report_data import Domain
from offchain.attestation.verify import PlatformClaims, verify_bundle, verify_quote
from offchain.core.errors import InvalidInput, NotFound

_HEX_TEXT: Final = re.compile(rb"\s*(?:0x)?((?:[0-9a-fA-F]{2})+)\s*")
LABELS: Final = {True: "SIMULATED", False: "hardware"}


class FileNotReadable(NotFound):
    """The file cannot be read."""

    code = "attest.file_not_readable"
    next_step = "Check the path."


class CollateralMissing(InvalidInput):
    """A bare quote says nothing without the vendor's documents."""

    code = "attest.collateral_missing"
    next_step = (
        "Give them with --collateral; docs/how-to/verify-quotes.md says where they come from."
    )


class PlaceMissing(InvalidInput):
    """A bundle is bound to a chain, a registry and an epoch's nonce; the policy names none."""

    code = "attest.place_missing"
    next_step = 'Give a policy with "here" by --policy; see docs/how-to/verify-quotes.md.'


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of the tree of claims, with what hangs under it."""

    name: str
    value: str
    branches: tuple["Branch", ...] = ()


def verify_files(
    quote: Path,
    *,
    collateral: Path | None,
    at: str | None,
    policy: Path | None,
    as_json: bool,
) -> int:
    """Judge a file; 0 when it is accepted, 5 when it is refused, with every reason."""
    rules = production_policy() if policy is None else parse_policy(_read(policy))
    now = int(time.time()) if at is None else parse_moment(at)
    raw = _read(quote)
    try:
        if raw.lstrip()[:1] == b"{":
            tree, label = _bundle_tree(raw, rules, now)
        else:
            tree, label = _quote_tree(raw, collateral, rules, now)
    except EvidenceRefused as error:
        _print_refusal(error, as_json=as_json)
        return ExitCode.REJECTED
    if as_json:
        print_json({"accepted": True, "simulated": label, "claims": _as_object(tree)})
    else:
        sys.stdout.write(f"ACCEPTED ({LABELS[label]})\n")
        sys.stdout.writelines(f"{line}\n" for line in _lines(tree))
    return ExitCode.DONE


def show_policy(**flags: object) -> int:
    """Print the policy of a home's chain, as of its newest block, for `attest verify --policy`."""
    settings = read_settings(ChainSettings, **flags)
    home = Home.at(settings.home)
    url = settings.rpc_url or Manifest.load(home).url("devnet")
    folder = settings.deployments or home.deployments
    network = connect(url, deployment_file(folder, settings.network))
    is_local = has_software_tee(network, home)
    root = read_root(tee_folder(home)) if is_local else INTEL_ROOT_DER
    print_json(encode_policy(policy_of_chain(network, root)))
    return ExitCode.DONE


def policy_of_chain(network: Network, root_der: bytes) -> PolicyFile:
    """What the registry accepts at its newest block, of evidence under a root."""
    block = network.node.block()
    registry = network.attestations
    epoch = network.stake.current_epoch(at=block.hash)
    recent = range(max(0, epoch - 1), epoch + 1)
    return PolicyFile(
        policy=chain_policy(registry, block, Policy(measurements=())),
        root_der=root_der,
        domain=Domain(network.chain_id, registry.address),
        nonces={one: registry.nonce_of(one, at=block.hash) for one in recent},
    )


def parse_moment(text: str) -> int:
    """Seconds since 1970, or ISO 8601 with UTC assumed. Raises: InvalidInput."""
    if text.isdecimal():
        return int(text)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--at is seconds since 1970 or ISO 8601", at=text) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def _bundle_tree(raw: bytes, rules: PolicyFile, now: int) -> tuple[tuple[Branch, ...], bool]:
    here = rules.here(now)
    if here is None:
        raise PlaceMissing
    claims = verify_bundle(
        parse_bundle(raw), policy=rules.policy, here=here, library=DcapQvl(rules.root_der)
    )
    return _claims_tree(claims), claims.simulated


def _quote_tree(
    raw: bytes, collateral: Path | None, rules: PolicyFile, now: int
) -> tuple[tuple[Branch, ...], bool]:
    if collateral is None:
        raise CollateralMissing
    text = _HEX_TEXT.fullmatch(raw)
    given = raw if text is None else binascii.unhexlify(text[1])
    claims = verify_quote(
        canonical_bytes(given),
        canonical_collateral(_read(collateral).decode("utf-8", errors="replace")),
        policy=rules.policy,
        now=now,
        library=DcapQvl(rules.root_der),
    )
    return _platform_tree(claims), claims.simulated


def _claims_tree(claims: Claims) -> tuple[Branch, ...]:
    subject = claims.subject
    gpu = claims.gpu
    return (
        Branch(
            "signer",
            f"0x{subject.signer.hex()}",
            (
                Branch("service", f"0x{subject.service_id.hex()}"),
                Branch("chain", str(claims.domain.chain_id)),
                Branch("registry", f"0x{claims.domain.registry.hex()}"),
                Branch("encryption key hash", f"0x{subject.enc_key_hash.hex()}"),
                Branch("TLS key hash", f"0x{subject.tls_key_hash.hex()}"),
                Branch("nonce of epoch", str(claims.epoch)),
            ),
        ),
        Branch(
            "code",
            f"{claims.measurement_class.name} 0x{claims.measurement_id.hex()}",
            (
                Branch("OS image", claims.os_image.hex() or "none"),
                Branch("compose hash", claims.compose_hash.hex() or "none"),
            ),
        ),
        Branch(
            "platform",
            f"{claims.tee_type.name}, quote version {claims.quote_version}",
            (
                Branch("TCB status", claims.tcb_status.name),
                Branch("QE status", claims.qe_status.name),
                Branch("advisories", ", ".join(claims.advisories) or "none"),
                Branch("evaluation number", str(claims.tcb_eval_number)),
                Branch("FMSPC", claims.fmspc),
            ),
        ),
        Branch(
            "GPU",
            "none"
            if gpu is None
            else f"{gpu.count} x {gpu.model}, driver {gpu.driver} ({LABELS[gpu.simulated]})",
        ),
        Branch("root key id", f"0x{claims.root_key_id.hex()} ({LABELS[claims.simulated]})"),
        Branch("evidence id", f"0x{claims.evidence_id.hex()}"),
        Branch("usable until", _stamp(claims.usable_until)),
    )


def _platform_tree(claims: PlatformClaims) -> tuple[Branch, ...]:
    body, library = claims.quote.body, claims.library
    code: tuple[Branch, ...]
    if isinstance(body, SgxBody):
        code = (
            Branch("mr_enclave", body.mr_enclave.hex()),
            Branch("mr_signer", body.mr_signer.hex()),
        )
    else:
        code = (
            Branch("mr_td", body.mr_td.hex()),
            *(Branch(f"rtmr{at}", one.hex()) for at, one in enumerate(body.rtmrs)),
        )
    return (
        Branch(
            "platform",
            f"{claims.quote.tee_type.name}, quote version {claims.quote.version}",
            (
                Branch("TCB status", library.status.name),
                Branch("QE status", library.qe_status.name),
                Branch("advisories", ", ".join(library.advisories) or "none"),
                Branch("evaluation number", str(library.tcb_eval_number)),
                Branch("FMSPC", library.fmspc.hex()),
            ),
        ),
        Branch("code", "NOT JUDGED: a quote alone does not say what it may be used for", code),
        Branch("signer", "NOT JUDGED: that needs a bundle", (_report_data(body.report_data),)),
        Branch("root key id", f"0x{claims.root_key_id.hex()} ({LABELS[claims.simulated]})"),
        Branch("usable until", _stamp(library.usable_until)),
    )


def _report_data(raw: bytes) -> Branch:
    return Branch("report_data", raw.hex())


def _print_refusal(error: EvidenceRefused, *, as_json: bool) -> None:
    if as_json:
        reasons = [{"reason": one.reason, "detail": one.detail} for one in error.refusals]
        print_json({"accepted": False, "reasons": reasons})
        return
    sys.stdout.write("REFUSED\n")
    sys.stdout.writelines(f"  {one}\n" for one in error.refusals)


def _lines(tree: Sequence[Branch], indent: str = "") -> list[str]:
    lines = []
    for at, one in enumerate(tree):
        is_last = at == len(tree) - 1
        lines.append(f"{indent}{'└' if is_last else '├'}─ {one.name}: {one.value}")
        lines += _lines(one.branches, indent + ("   " if is_last else "│  "))
    return lines


def _as_object(tree: Sequence[Branch]) -> dict[str, object]:
    return {
        one.name: {"value": one.value, **_as_object(one.branches)} if one.branches else one.value
        for one in tree
    }


def _stamp(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).isoformat()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise FileNotReadable(path=path) from error
    if len(content) > MAX_BUNDLE_BYTES:
        raise InvalidInput("the file is too long for evidence", path=path, limit=MAX_BUNDLE_BYTES)
    return content
