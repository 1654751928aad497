"""A policy as a file: which root, which states, which code, and where the evidence is for.

  {"version": 1,
   "root": PEM text (default: the Intel SGX Root CA), "gpu_roots": [PEM text],
   "allow_simulated": false, "statuses": ["UpToDate"], "denied_advisories": [],
   "min_eval_number": 0, "max_collateral_days": 30, "td_attributes": hex, "xfam": hex,
   "measurements": [{"id": hex, "class": "BROKER", "valid_until": seconds, "td_attributes": hex,
                     "xfam": hex, "hardening_advisories": [], "gpu": null |
                     {"model": text, "count": n, "drivers": [], "vbioses": []}}],
   "here": {"chain_id": n, "registry": hex, "service": hex, "nonces": {"epoch": hex}}}

Everything but `version` may be left out; hex numbers are written as in `0x10000000`. Without `here`
only a bare quote can be judged. Source: docs/how-to/verify-quotes.md.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from offchain.attestation.adapters.dcap_qvl import STATUSES
from offchain.attestation.bounded_json import loads_bounded
from offchain.attestation.intel_root import INTEL_ROOT_DER
from offchain.attestation.model import MeasurementClass
from offchain.attestation.policy import (
    NO_END,
    SEPT_VE_DISABLE,
    USUAL_XFAM,
    GpuRequirement,
    Here,
    MeasurementEntry,
    Policy,
)
from offchain.attestation.quote import join_chain, split_chain
from offchain.attestation.reasons import EvidenceRefused
from offchain.attestation.report_data import Domain
from offchain.core.errors import InvalidInput
from offchain.core.units import DAY

VERSION: Final = 1
MAX_POLICY_BYTES: Final = 1 << 20
_ENTRY_FIELDS: Final = {
    "id",
    "class",
    "valid_until",
    "td_attributes",
    "xfam",
    "hardening_advisories",
    "gpu",
}
_FIELDS: Final = {
    "version",
    "root",
    "gpu_roots",
    "allow_simulated",
    "statuses",
    "denied_advisories",
    "min_eval_number",
    "max_collateral_days",
    "td_attributes",
    "xfam",
    "measurements",
    "here",
}


class PolicyMalformed(InvalidInput):
    """The policy file has another form."""

    code = "attestation.policy_malformed"
    next_step = "Compare the file with docs/how-to/verify-quotes.md."


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy, the root it is for, and a place when the file names one."""

    policy: Policy
    root_der: bytes = INTEL_ROOT_DER
    domain: Domain | None = None
    nonces: Mapping[int, bytes] | None = None
    service_id: bytes | None = None

    def here(self, now: int) -> Here | None:
        """Where evidence is judged at a moment; None when the file names no place."""
        if self.domain is None or self.nonces is None:
            return None
        return Here(self.domain, self.nonces, now, self.service_id)


def production_policy() -> PolicyFile:
    """What counts without a file: Intel's root, UpToDate, nothing simulated, no code listed."""
    return PolicyFile(Policy(measurements=()))


def parse_policy(text: bytes) -> PolicyFile:
    """Read a policy file. Raises: PolicyMalformed."""
    if len(text) > MAX_POLICY_BYTES:
        raise PolicyMalformed(bytes=len(text), limit=MAX_POLICY_BYTES)
    try:
        return _file_of(loads_bounded(text))
    except (KeyError, ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise PolicyMalformed(cause=str(error)[:200]) from error


def encode_policy(file: PolicyFile) -> dict[str, object]:
    """A policy file's object: what `parse_policy` reads back as the same."""
    policy = file.policy
    words = {status: word for word, status in STATUSES.items()}
    found: dict[str, object] = {
        "version": VERSION,
        "root": join_chain((file.root_der,)).decode(),
        "gpu_roots": [join_chain((one,)).decode() for one in sorted(policy.gpu_roots)],
        "allow_simulated": policy.allow_simulated,
        "statuses": sorted(words[one] for one in policy.statuses),
        "denied_advisories": sorted(policy.denied_advisories),
        "min_eval_number": policy.min_eval_number,
        "max_collateral_days": policy.max_collateral_age_seconds // DAY,
        "td_attributes": hex(policy.td_attributes),
        "xfam": hex(policy.xfam),
        "measurements": [_entry_object(one) for one in policy.measurements],
    }
    if file.domain is not None and file.nonces is not None:
        place: dict[str, object] = {
            "chain_id": file.domain.chain_id,
            "registry": f"0x{file.domain.registry.hex()}",
            "nonces": {str(epoch): f"0x{nonce.hex()}" for epoch, nonce in file.nonces.items()},
        }
        if file.service_id is not None:
            place["service"] = f"0x{file.service_id.hex()}"
        found["here"] = place
    return found


def _entry_object(entry: MeasurementEntry) -> dict[str, object]:
    gpu = entry.gpu
    return {
        "id": f"0x{entry.measurement_id.hex()}",
        "class": entry.measurement_class.name,
        "valid_until": entry.valid_until,
        "td_attributes": hex(entry.td_attributes),
        "xfam": hex(entry.xfam),
        "hardening_advisories": sorted(entry.hardening_advisories),
        "gpu": None
        if gpu is None
        else {
            "model": gpu.model,
            "count": gpu.count,
            "drivers": sorted(gpu.drivers),
            "vbioses": sorted(gpu.vbioses),
        },
    }


def _file_of(found: Mapping[str, Any]) -> PolicyFile:
    _only(found, _FIELDS)
    if found["version"] != VERSION:
        raise PolicyMalformed(version=found["version"])
    place = found.get("here")
    policy = Policy(
        measurements=tuple(_entry_of(one) for one in found.get("measurements", [])),
        allow_simulated=_flag(found, "allow_simulated"),
        statuses=frozenset(STATUSES[word] for word in found.get("statuses", ["UpToDate"])),
        denied_advisories=frozenset(map(str, found.get("denied_advisories", []))),
        min_eval_number=int(found.get("min_eval_number", 0)),
        max_collateral_age_seconds=int(found.get("max_collateral_days", 30)) * DAY,
        td_attributes=_number(found, "td_attributes", SEPT_VE_DISABLE),
        xfam=_number(found, "xfam", USUAL_XFAM),
        gpu_roots=frozenset(_certificate(one) for one in found.get("gpu_roots", [])),
    )
    root = _certificate(found["root"]) if "root" in found else INTEL_ROOT_DER
    if place is None:
        return PolicyFile(policy, root)
    _only(place, {"chain_id", "registry", "service", "nonces"})
    return PolicyFile(
        policy=policy,
        root_der=root,
        domain=Domain(int(place["chain_id"]), _hex(place["registry"], 20)),
        nonces={int(epoch): _hex(nonce, 32) for epoch, nonce in place["nonces"].items()},
        service_id=_hex(place["service"], 32) if "service" in place else None,
    )


def _entry_of(found: Mapping[str, Any]) -> MeasurementEntry:
    _only(found, _ENTRY_FIELDS)
    gpu = found.get("gpu")
    return MeasurementEntry(
        measurement_id=_hex(found["id"], 32),
        measurement_class=MeasurementClass[found["class"]],
        valid_until=int(found.get("valid_until", NO_END)),
        td_attributes=_number(found, "td_attributes", SEPT_VE_DISABLE),
        xfam=_number(found, "xfam", USUAL_XFAM),
        hardening_advisories=frozenset(map(str, found.get("hardening_advisories", []))),
        gpu=None
        if gpu is None
        else GpuRequirement(
            model=str(gpu["model"]),
            count=int(gpu["count"]),
            drivers=frozenset(gpu["drivers"]),
            vbioses=frozenset(gpu["vbioses"]),
        ),
    )


def _only(found: Mapping[str, Any], fields: set[str]) -> None:
    """A misspelt field would silently be a default."""
    if not isinstance(found, dict):
        raise PolicyMalformed(cause="an object is expected")
    unknown = sorted(set(found) - fields)
    if unknown:
        raise PolicyMalformed(unknown=", ".join(unknown))


def _flag(found: Mapping[str, Any], name: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool):
        raise PolicyMalformed(field=name)
    return value


def _number(found: Mapping[str, Any], name: str, usual: int) -> int:
    return int(str(found[name]), 16) if name in found else usual


def _hex(value: object, length: int) -> bytes:
    raw = bytes.fromhex(str(value).removeprefix("0x"))
    if len(raw) != length:
        raise PolicyMalformed(cause=f"{length} bytes in hex are expected")
    return raw


def _certificate(text: str) -> bytes:
    try:
        certificates = split_chain(text.encode())
    except EvidenceRefused as error:
        raise PolicyMalformed(cause="a root is not PEM text") from error
    if len(certificates) != 1:
        raise PolicyMalformed(cause="a root is one certificate as PEM text")
    return certificates[0]
