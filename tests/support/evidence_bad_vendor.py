"""Bad evidence, part two: certificates, revocation, collateral, platform and quoting enclave."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from offchain.attestation.adapters.software_collateral import (
    QE_ATTRIBUTES,
    CollateralPlan,
    components,
    stamp,
)
from offchain.attestation.adapters.software_quote import QePlan
from offchain.attestation.adapters.software_vendor import LeafPlan, Platform, RevocationPlan
from offchain.attestation.reasons import Reason
from offchain.core.units import DAY
from tests.support.evidence import NOW, Attempt, attempt, policy_of, usual_entry
from tests.support.evidence_bad_form import Case, from_machine

Document = dict[str, Any]


def revoked(**what: Any) -> Callable[[], Attempt]:
    """A vendor whose lists say this."""
    return from_machine(collateral=CollateralPlan(revocation=RevocationPlan(**what)))


def with_tcb(change: Callable[[Document], object]) -> Callable[[], Attempt]:
    """A vendor whose signed TCB info is changed."""

    def act(document: Document) -> None:
        change(document)

    return from_machine(collateral=CollateralPlan(change_tcb=act))


def with_qe(change: Callable[[Document], object]) -> Callable[[], Attempt]:
    """A vendor whose signed QE identity is changed."""

    def act(document: Document) -> None:
        change(document)

    return from_machine(collateral=CollateralPlan(change_qe=act))


def spoiled(change: Callable[[Document], object]) -> Callable[[], Attempt]:
    """Collateral that is changed after it was signed."""

    def act(document: Document) -> None:
        change(document)

    return from_machine(collateral=CollateralPlan(spoil=act))


def level_status(word: str, *advisories: str) -> Callable[[Document], None]:
    """Give the platform's level another status."""

    def act(document: Document) -> None:
        document["tcbLevels"][0].update(tcbStatus=word, advisoryIDs=list(advisories))

    return act


def windows(issued: int, until: int) -> Callable[[Document], None]:
    """Give a document another window, in seconds from now."""

    def act(document: Document) -> None:
        document.update(issueDate=stamp(NOW + issued), nextUpdate=stamp(NOW + until))

    return act


def _unparsable_tcb() -> Attempt:
    return attempt(collateral=CollateralPlan(edit_tcb_text=lambda text: text[:-1]))


def _denied() -> Attempt:
    change = level_status("UpToDate", "INTEL-SA-00615")
    found = attempt(collateral=CollateralPlan(change_tcb=change))
    policy = policy_of(denied_advisories=frozenset({"INTEL-SA-00615"}))
    return Attempt(found.bundle, policy=policy)


def _hardening_with_other_advisory() -> Attempt:

    change = level_status("SWHardeningNeeded", "INTEL-SA-00001", "INTEL-SA-00002")
    found = attempt(collateral=CollateralPlan(change_tcb=change))
    entry = replace(usual_entry(), hardening_advisories=frozenset({"INTEL-SA-00001"}))
    return Attempt(found.bundle, policy=policy_of(entry))


def _low_evaluation_number() -> Attempt:
    return Attempt(attempt().bundle, policy=policy_of(min_eval_number=18))


def _both_evaluation_numbers(document: Document) -> None:
    document["tcbEvaluationDataNumber"] = 16


def _drop_modules(document: Document) -> None:
    document["tdxModuleIdentities"][0]["id"] = "TDX_03"


def _module_signer(document: Document) -> None:
    document["tdxModuleIdentities"][0]["mrsigner"] = "01" * 48


def _module_svn(document: Document) -> None:
    document["tdxModuleIdentities"][0]["tcbLevels"][0]["tcb"]["isvsvn"] = 6


def _module_out_of_date(document: Document) -> None:
    document["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = "OutOfDate"


def _sgx_kind(document: Document) -> None:
    document["id"] = "SGX"


def _qe_level(document: Document, word: str) -> None:
    document["tcbLevels"][0]["tcbStatus"] = word


def _raise_svn(document: Document) -> None:
    document["tcbLevels"][0]["tcb"]["sgxtcbcomponents"] = components(bytes([3]))


def _append(document: Document, name: str, text: str) -> None:
    document[name] += text


def _twice(document: Document, name: str) -> None:
    document[name] *= 2


def qe(**plan: Any) -> Callable[[], Attempt]:
    """A machine whose quoting enclave reports this."""
    return from_machine(qe=QePlan(**plan))


CERTIFICATE_CASES = (
    Case("leaf_of_other_ca", Reason.CHAIN_UNTRUSTED, from_machine(leaf=LeafPlan(by_stranger=True))),
    Case("ca_used_as_leaf", Reason.CA_USED_AS_LEAF, from_machine(leaf=LeafPlan(is_ca=True))),
    Case("leaf_expired", Reason.CERT_EXPIRED, from_machine(leaf=LeafPlan(ends_at=NOW - 1))),
    Case("leaf_revoked", Reason.CERT_REVOKED, revoked(leaf=True)),
    Case("pck_ca_revoked", Reason.CERT_REVOKED, revoked(pck_ca=True)),
    Case("tcb_signer_revoked", Reason.CERT_REVOKED, revoked(tcb_signer=True)),
    Case("crl_expired", Reason.CRL_EXPIRED, revoked(next_update=NOW - 1)),
    Case("crl_unparsable", Reason.CRL_MALFORMED, revoked(pck_list_is_junk=True)),
    Case("crl_of_other_issuer", Reason.REVOCATION_UNKNOWN, revoked(pck_list_is_roots=True)),
    Case(
        "sgx_extension_missing",
        Reason.PCK_EXTENSION_MISSING,
        from_machine(leaf=LeafPlan(has_extension=False)),
    ),
)

COLLATERAL_CASES = (
    Case(
        "tcb_signature_wrong",
        Reason.TCB_INFO_SIGNATURE_INVALID,
        spoiled(lambda found: found.update(tcb_info=found["tcb_info"] + " ")),
    ),
    Case(
        "qe_identity_signature_wrong",
        Reason.QE_IDENTITY_SIGNATURE_INVALID,
        spoiled(lambda found: found.update(qe_identity=found["qe_identity"] + " ")),
    ),
    Case("tcb_expired", Reason.COLLATERAL_EXPIRED, with_tcb(windows(-DAY, -1))),
    Case("qe_identity_expired", Reason.COLLATERAL_EXPIRED, with_qe(windows(-DAY, -1))),
    Case("tcb_from_future", Reason.COLLATERAL_NOT_YET_VALID, with_tcb(windows(1, DAY))),
    Case("qe_identity_from_future", Reason.COLLATERAL_NOT_YET_VALID, with_qe(windows(1, DAY))),
    Case(
        "collateral_31_days_old",
        Reason.COLLATERAL_TOO_OLD,
        with_tcb(windows(-31 * DAY, DAY)),
        True,
    ),
    Case("tcb_info_for_sgx", Reason.TCB_INFO_KIND_MISMATCH, with_tcb(_sgx_kind)),
    Case(
        "fmspc_differs",
        Reason.FMSPC_MISMATCH,
        from_machine(leaf=LeafPlan(platform=Platform(fmspc=b"\1" * 6))),
    ),
    Case(
        "pce_id_differs",
        Reason.PCE_ID_MISMATCH,
        from_machine(leaf=LeafPlan(platform=Platform(pce_id=b"\1\0"))),
        True,
    ),
    Case(
        "svn_component_low",
        Reason.TCB_LEVEL_NOT_FOUND,
        from_machine(
            leaf=LeafPlan(platform=Platform(cpu_svn=bytes([2, 2, 2, 2, 2, 0] + [0] * 10)))
        ),
    ),
    Case("svn_component_raised", Reason.TCB_LEVEL_NOT_FOUND, with_tcb(_raise_svn)),
    Case(
        "pce_svn_low",
        Reason.TCB_LEVEL_NOT_FOUND,
        from_machine(leaf=LeafPlan(platform=Platform(pce_svn=10))),
    ),
    Case(
        "collateral_brings_chain",
        Reason.COLLATERAL_MALFORMED,
        spoiled(lambda found: found.update(pck_certificate_chain=found["tcb_info_issuer_chain"])),
    ),
    *(
        Case(name, Reason.COLLATERAL_MALFORMED, spoiled(change), True)
        for name, change in (
            ("crl_chain_of_other", lambda found: found.update(pck_crl_issuer_chain="")),
            ("chain_not_plain", lambda found: _append(found, "tcb_info_issuer_chain", "\n")),
            ("chain_with_more", lambda found: _twice(found, "qe_identity_issuer_chain")),
        )
    ),
    Case("status_word_unknown", Reason.COLLATERAL_MALFORMED, with_tcb(level_status("Splendid"))),
    Case("tcb_json_broken", Reason.COLLATERAL_MALFORMED, _unparsable_tcb),
    Case("evaluation_number_low", Reason.EVALUATION_NUMBER_TOO_LOW, _low_evaluation_number, True),
    Case(
        "evaluation_numbers_differ",
        Reason.EVALUATION_NUMBER_MISMATCH,
        with_qe(_both_evaluation_numbers),
        True,
    ),
)

PLATFORM_CASES = (
    Case("module_unknown", Reason.TDX_MODULE_UNKNOWN, with_tcb(_drop_modules)),
    Case(
        "module_missing", Reason.TDX_MODULE_UNKNOWN, with_tcb(lambda found: found.pop("tdxModule"))
    ),
    Case("module_signer", Reason.TDX_MODULE_SIGNER_MISMATCH, with_tcb(_module_signer)),
    Case("module_svn_low", Reason.TDX_MODULE_TOO_OLD, with_tcb(_module_svn)),
    Case("module_out_of_date", Reason.TCB_STATUS_REFUSED, with_tcb(_module_out_of_date)),
    *(
        Case(name, Reason.TCB_STATUS_REFUSED, with_tcb(level_status(word)))
        for name, word in (
            ("status_out_of_date", "OutOfDate"),
            ("status_out_of_date_configuration", "OutOfDateConfigurationNeeded"),
            ("status_configuration_needed", "ConfigurationNeeded"),
            ("status_configuration_and_hardening", "ConfigurationAndSWHardeningNeeded"),
            ("sw_hardening", "SWHardeningNeeded"),
        )
    ),
    Case(
        "sw_hardening_other_advisory",
        Reason.TCB_STATUS_REFUSED,
        _hardening_with_other_advisory,
    ),
    Case("status_revoked", Reason.TCB_REVOKED, with_tcb(level_status("Revoked"))),
    Case("qe_revoked", Reason.TCB_REVOKED, with_qe(lambda found: _qe_level(found, "Revoked"))),
    Case("advisory_denied", Reason.ADVISORY_REFUSED, _denied, True),
    Case(
        "qe_identity_id",
        Reason.QE_IDENTITY_KIND_MISMATCH,
        with_qe(lambda found: found.update(id="QE")),
    ),
    Case("qe_mrsigner", Reason.QE_IDENTITY_MISMATCH, qe(signer=b"\1" * 32)),
    Case("qe_prod_id", Reason.QE_IDENTITY_MISMATCH, qe(product=7)),
    Case("qe_misc", Reason.QE_IDENTITY_MISMATCH, qe(misc_select=1)),
    Case(
        "qe_attributes",
        Reason.QE_IDENTITY_MISMATCH,
        qe(attributes=bytes([0x31]) + QE_ATTRIBUTES[1:]),
    ),
    Case("qe_svn_low", Reason.QE_TOO_OLD, qe(svn=3)),
    Case("qe_debug", Reason.QE_DEBUG, qe(attributes=bytes([0x13]) + QE_ATTRIBUTES[1:])),
    *(
        Case(
            name,
            Reason.QE_STATUS_REFUSED,
            with_qe(partial(_qe_level, word=word)),
            passes,
        )
        for name, word, passes in (
            ("qe_configuration_needed", "ConfigurationNeeded", True),
            ("qe_out_of_date_configuration", "OutOfDateConfigurationNeeded", True),
            ("qe_out_of_date", "OutOfDate", False),
        )
    ),
)
