"""What a blob costs on chain against the number of signers: payment and certificate of all of them.

The bytes go to every signer, the chain sees one aggregate signature: the figure does not grow.
"""

import sys

from benchmarks.da_gas import CertificateStage
from benchmarks.rows import Row, at_most, measure

COMMAND = "apogee bench da --json"
SIGNERS = (2, 8, 32, 64)
MOST_GROWTH = 1.05


def run() -> list[Row]:
    """One chain that grows; a certificate of everybody at each size."""
    stage = CertificateStage(SIGNERS[0])
    stage.certificate_gas(0, salt=0)  # the Treasury's credit exists from the first one on
    rows = []
    for salt, signers in enumerate(SIGNERS, 1):
        stage.grow(signers)
        stage.certificate_gas(0, salt=100 + salt)  # the first of a table pays to open its epoch
        gas = stage.certificate_gas(0, salt=salt)
        name = f"da.blob.gas.{signers}_signers"
        rows.append(at_most(name, gas + stage.pay_gas[-1], "gas", None, command=COMMAND))
    growth = rows[-1].value / rows[0].value
    name = f"da.blob.gas.growth.{SIGNERS[0]}_to_{SIGNERS[-1]}"
    return [*rows, at_most(name, growth, "x", MOST_GROWTH, command=COMMAND)]


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
