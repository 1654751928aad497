"""Ports for processes to come are none that the system gives to outgoing connections."""

import socket

from offchain.chain.devnet.ports import FIRST_OUTGOING, LOOPBACK, RANGE_FILE, free_port, free_ports


def test_ports__many_at_once__differ_and_can_be_listened_on() -> None:
    ports = free_ports(40)

    assert len(set(ports)) == 40
    for port in ports:
        socket.create_server((LOOPBACK, port)).close()


def test_ports__the_system_tells_its_range__lie_below_what_clients_get() -> None:
    told = int(RANGE_FILE.read_text().split()[0]) if RANGE_FILE.exists() else FIRST_OUTGOING
    port = free_port()
    with (
        socket.create_server((LOOPBACK, port)),
        socket.create_connection((LOOPBACK, port)) as client,
    ):
        assert client.getsockname()[1] >= told > port


def test_ports__one_of_a_run_is_taken__are_another_run() -> None:
    taken = free_port()
    with socket.create_server((LOOPBACK, taken)):
        chosen = {port for _ in range(20) for port in free_ports(500)}

    assert taken not in chosen
