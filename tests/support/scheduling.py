"""Which worker runs what: networks one after the other, everything else file by file.

A network is twenty processes. Two of them on two cores starve each other until their deadlines
pass, so all networks go to one worker and the others never have a second one beside them.
"""

from xdist.scheduler import LoadFileScheduling

NETWORKS = "tests/e2e"


class NetworksInTurn(LoadFileScheduling):
    """Whole files to the next free worker; the files of `tests/e2e` count as one."""

    def _split_scope(self, nodeid: str) -> str:
        return NETWORKS if nodeid.startswith(f"{NETWORKS}/") else super()._split_scope(nodeid)
