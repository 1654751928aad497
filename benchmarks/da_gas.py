"""Gas of DA transactions: payment, certificate with 0 and 8 signers absent, the epoch's table.

32 operators of equal stake make one quorum; figures are whole transactions on the devnet chain.
"""

import sys

from eth_account import Account

from benchmarks.chain_stage import ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.bls import DST_POSSESSION, SecretKey, aggregate_signatures
from offchain.core.hashing import keccak
from offchain.core.layout import columns_for
from offchain.core.units import WEI_PER_COIN
from offchain.da.model import (
    Attestation,
    Blob,
    attestation_digest,
    domain_separator,
    encode_absent,
)
from offchain.da.quorums import Member, QuorumTable, absent_signer, assign, draw_table

COMMAND = "apogee bench da --json"
DA = 1
OPERATORS = 32
ABSENT = (0, 8)
BAR_CERTIFICATE = 320_000
STAKE_WEI = 100 * WEI_PER_COIN
LENGTH = 32_505_856
COMMITMENT = bytes(range(48))
CHAIN_ID = 31_337


class CertificateStage:
    """A chain with operators, a drawn table and paid blobs."""

    def __init__(self, operators: int = OPERATORS) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        treasury = "0x" + dev_accounts()[1].address.hex()
        self.stage.deploy(scaled_genesis(governance=owner, treasury=treasury))
        self.secrets: list[bytes] = []
        self.keys: list[SecretKey] = []
        self.ids: list[int] = []
        self.pay_gas: list[int] = []
        self.grow(operators)

    def grow(self, operators: int) -> None:
        """More operators, until there are so many, and a table of them all."""
        for number in range(len(self.ids), operators):
            self.secrets.append(keccak(b"operator", bytes([number])))
            self.keys.append(SecretKey.from_seed(self.secrets[-1]))
            self.ids.append(self._join(number))
        self.epoch, self.table, self.draw_gas = self._draw()

    def _join(self, number: int) -> int:
        secret, key = self.secrets[number], self.keys[number]
        owner = bytes.fromhex(Account.from_key(secret).address[2:])
        self.stage.fund(owner, STAKE_WEI + 10 * WEI_PER_COIN)
        raw = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", owner, raw)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.stage.send_as(secret, "OperatorRegistry", "register", raw, proof)
        self.stage.value_call(secret, "StakeManager", "join", DA, 0, value=STAKE_WEI)
        self.stage.send_as(secret, "DASigners", "join", f"http://127.0.0.1:{4_000 + number}")
        return int(self.stage.read("StakeManager", "operator_of", owner))

    def _draw(self) -> tuple[int, QuorumTable, int]:
        length = self.stage.read("StakeManager", "epoch_length")
        self.stage.chain.increase_time(2 * length)
        self.stage.chain.mine()
        epoch = int(self.stage.read("StakeManager", "current_epoch"))
        members = [
            Member(
                operator_id,
                self.stage.read("StakeManager", "weight_at", operator_id << 8 | DA, epoch),
                key.public_key(),
            )
            for operator_id, key in zip(self.ids, self.keys, strict=True)
        ]
        table = draw_table(members, self.stage.read("DASigners", "seed", epoch))
        gas = 0
        for page in table.pages:
            words = epoch, page.position, page.total_weight, list(page.operator_ids)
            gas += self.stage.send("DASigners", "draw", *words)
        return epoch, table, gas

    def certificate_gas(self, absent: int, *, salt: int, blob: Blob | None = None) -> int:
        """Pay for a blob and confirm it with the first `absent` signers absent."""
        blob = blob or self._blob(salt)
        fee = self.stage.read("DAEntrance", "quote", blob.length, blob.retention_days)
        fields = fields_of(blob)
        paid = self.stage.value_call(
            self.secrets[0], "DAEntrance", "pay", fields, COMMITMENT, b"", value=fee
        )
        self.pay_gas.append(paid)
        self.stage.chain.mine(2)
        quorum = self.table.quorums[0]
        secrets = dict(zip(self.ids, self.keys, strict=True))
        signers = [secrets[signer.operator_id] for signer in quorum.signers]
        digest = self._digest(blob)
        signature = aggregate_signatures([key.sign(digest) for key in signers[absent:]])
        gone = [absent_signer(quorum, i, signers[i].public_key()) for i in range(absent)]
        return self.stage.send(
            "DAEntrance", "confirm", fields, encode_absent(gone), signature.eip2537(), sender=2
        )

    def carry_gas(self) -> int:
        """Let an epoch pass and carry the table over."""
        self.stage.chain.increase_time(self.stage.read("StakeManager", "epoch_length"))
        self.stage.chain.mine()
        return self.stage.send("DASigners", "open_epoch")

    def _digest(self, blob: Blob) -> bytes:
        entrance = self.stage.contracts["DAEntrance"].address
        identifier = self.stage.read("DAEntrance", "blob_id", fields_of(blob))
        record = self.stage.read("DAEntrance", "record", identifier)
        entropy = self.stage.chain.ledger.block_hash(record[2] + 1)
        seed = self.stage.read("DASigners", "blob_seed", record[5], identifier, entropy)
        attestation = Attestation(
            blob_id=identifier,
            epoch=record[5],
            quorum_id=assign(seed, 1).quorum_id,
            seed=seed,
            data_root=blob.data_root,
            commitment_hash=blob.commitment_hash,
            columns=blob.columns,
            length=blob.length,
            expiry=record[4],
        )
        return attestation_digest(
            attestation, domain_separator(chain_id=CHAIN_ID, entrance=entrance)
        )

    def _blob(self, salt: int) -> Blob:
        owner = bytes.fromhex(Account.from_key(self.secrets[0]).address[2:])
        return Blob(
            payer=owner,
            disperser=owner,
            data_root=keccak(b"root", bytes([salt])),
            commitment_hash=keccak(COMMITMENT),
            columns=columns_for(LENGTH),
            length=LENGTH,
            retention_days=14,
            salt=keccak(b"salt", bytes([salt])),
        )


def run() -> list[Row]:
    """Measure everything; raises when a transaction that must succeed does not."""
    stage = CertificateStage()
    stage.certificate_gas(0, salt=0)  # the Treasury's credit exists from the first one on
    rows = []
    for position, absent in enumerate(ABSENT):
        gas = stage.certificate_gas(absent, salt=position + 1)
        name = "da.certificate.gas" + ("" if absent == max(ABSENT) else f".{absent}_absent")
        rows.append(_row(name, gas, BAR_CERTIFICATE))
    rows.append(_row("da.pay.gas", stage.pay_gas[-1]))
    rows.append(_row(f"da.draw.gas.{OPERATORS}_signers", stage.draw_gas))
    rows.append(_row("da.carry.gas", stage.carry_gas()))
    return rows


def _row(name: str, gas: int, bar: int | None = None) -> Row:
    return at_most(name, gas, "gas", bar, command=COMMAND)


def fields_of(blob: Blob) -> tuple[object, ...]:
    return (
        blob.payer,
        blob.disperser,
        blob.data_root,
        blob.commitment_hash,
        blob.columns,
        blob.length,
        blob.retention_days,
        blob.salt,
    )


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
