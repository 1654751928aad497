# pragma version 0.4.3
"""
@title What a TDX quote says
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a quote has a form only when each of its bytes belongs to exactly one field.
@dev Version 4: header 48, body 584. Version 5: header 48, body type u16 (2: TD 1.0, 3: TD 1.5), body size u32, body 584
     or 648. Then auth size u32 | signature 64 | AK 64 | 6 u16 | size u32 | QE report 384 | QE signature 64 | size u16 |
     qe_auth | 5 u16 | size u32 | PEM. Numbers are little endian. No state.
"""
from ..interfaces import IAttestationRegistry
from ..shared import constants as C

MAX_QUOTE: constant(uint256) = 8_192
MAX_SIGNED: constant(uint256) = 702  # header, descriptor, body
HEADER: constant(uint256) = 48
BODY: constant(uint256) = 584
LONG_BODY: constant(uint256) = 648  # TD 1.5
AUTH: constant(uint256) = 588  # from the end of the body to qe_auth
LEAST: constant(uint256) = 1_226  # bytes before qe_auth and after, without any PEM
QE_VENDOR: constant(bytes16) = 0x939a7233f79c4ca9940a0db3957f0607
TDX_HEADER: constant(bytes6) = 0x020081000000  # key type 2, tee type 0x81, as they lie
OUTER: constant(uint256) = 1_536  # 6, as it lies
INNER: constant(uint256) = 1_280  # 5, as it lies
QE_REPORT_DATA: constant(uint256) = 320  # in a report of 384


struct Places:  # all zero: these bytes are no TDX quote
    body: uint256
    end: uint256  # of the body
    auth_size: uint256  # of qe_auth
    pem: uint256


@internal
@pure
def _places(quote: Bytes[MAX_QUOTE]) -> Places:
    """
    @dev Where the fields lie; every length is checked against the others.
    """
    if len(quote) < LEAST:
        return empty(Places)
    body: uint256 = HEADER
    end: uint256 = HEADER + BODY
    version: bytes2 = convert(slice(quote, 0, 2), bytes2)
    if version == 0x0500:
        descriptor: bytes6 = convert(slice(quote, HEADER, 6), bytes6)
        body = HEADER + 6
        if descriptor == 0x020048020000:
            end = body + BODY
        elif descriptor == 0x030088020000:
            end = body + LONG_BODY
        else:
            return empty(Places)
    elif version != 0x0400:
        return empty(Places)
    if convert(slice(quote, 2, 6), bytes6) != TDX_HEADER or len(quote) < end + AUTH + 6:
        return empty(Places)
    if convert(slice(quote, 12, 16), bytes16) != QE_VENDOR:
        return empty(Places)

    sizes: uint256 = convert(slice(quote, end + 132, 6), uint256)
    auth_size: uint256 = self._swap(convert(slice(quote, end + 586, 2), uint256)) >> 16
    pem: uint256 = end + AUTH + auth_size + 6
    if len(quote) < pem:
        return empty(Places)
    section: uint256 = convert(slice(quote, pem - 6, 6), uint256)
    is_exact: bool = self._swap(convert(slice(quote, end, 4), uint256)) == len(quote) - end - 4
    is_exact = is_exact and sizes >> 32 == OUTER and section >> 32 == INNER
    is_exact = is_exact and self._swap(sizes & (2**32 - 1)) == len(quote) - end - 138
    is_exact = is_exact and self._swap(section & (2**32 - 1)) == len(quote) - pem
    if not is_exact:
        return empty(Places)
    return Places(body=body, end=end, auth_size=auth_size, pem=pem)


@internal
@pure
def _agrees(
    quote: Bytes[MAX_QUOTE],
    at: Places,
    verdict: IAttestationRegistry.Verdict,
    entry: IAttestationRegistry.Measurement,
) -> bool:
    """
    @dev Whether the quote says what the verdict says, under the attributes of its entry.
    """
    if keccak256(slice(quote, at.body + 520, 64)) != verdict.report_data_hash:
        return False
    registers: Bytes[192] = concat(slice(quote, at.body + 136, 48), slice(quote, at.body + 328, 144))
    measured: bytes32 = keccak256(concat(registers, entry.os_image, entry.compose_hash))
    if measured != verdict.measurement_id:
        return False
    attributes: Bytes[16] = concat(entry.td_attributes, entry.xfam)
    if keccak256(slice(quote, at.body + 120, 16)) != keccak256(attributes):
        return False
    config: Bytes[48] = concat(0x01, entry.compose_hash, empty(bytes15))
    if keccak256(slice(quote, at.body + 184, 48)) != keccak256(config):
        return False
    if at.end - at.body == LONG_BODY:
        if not self._is_zero(slice(quote, at.end - 48, 48)):  # a service TD
            return False
    return self._evidence_id(quote, at) == verdict.evidence_id


@internal
@pure
def _is_zero(field: Bytes[48]) -> bool:
    return convert(slice(field, 0, 32), uint256) == 0 and convert(slice(field, 16, 32), uint256) == 0


@internal
@pure
def _evidence_id(quote: Bytes[MAX_QUOTE], at: Places) -> bytes32:
    """
    @dev Names the evidence whatever its signatures look like.
    """
    return keccak256(
        concat(
            C.TAG_EVIDENCE,
            self._signed(quote, at),
            slice(quote, at.end + 68, 64),
            slice(quote, at.end + 138, 384),
            self._qe_auth(quote, at),
        )
    )


@internal
@pure
def _signed(quote: Bytes[MAX_QUOTE], at: Places) -> Bytes[MAX_SIGNED]:
    """
    @dev What the attestation key signs.
    """
    if at.end == HEADER + BODY:
        return slice(quote, 0, HEADER + BODY)
    if at.end == HEADER + BODY + 6:
        return slice(quote, 0, HEADER + BODY + 6)
    return slice(quote, 0, MAX_SIGNED)


@internal
@pure
def _qe_auth(quote: Bytes[MAX_QUOTE], at: Places) -> Bytes[MAX_QUOTE]:
    if at.auth_size == 0:
        return b""
    return slice(quote, at.end + AUTH, at.auth_size)


@internal
@pure
def _is_bound(quote: Bytes[MAX_QUOTE], at: Places) -> bool:
    """
    @dev Whether the report of the quoting enclave names the attestation key.
    """
    named: bytes32 = convert(slice(quote, at.end + 138 + QE_REPORT_DATA, 32), bytes32)
    return sha256(concat(slice(quote, at.end + 68, 64), self._qe_auth(quote, at))) == named


@internal
@pure
def _word(quote: Bytes[MAX_QUOTE], at: uint256) -> uint256:
    return convert(slice(quote, at, 32), uint256)


@internal
@pure
def _swap(word: uint256) -> uint256:
    """
    @dev Four bytes in the other order.
    """
    return (word & 255) << 24 | (word & 65_280) << 8 | (word >> 8) & 65_280 | word >> 24
