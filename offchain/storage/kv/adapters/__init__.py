"""Where streams meet disks and sockets: stores, the batcher's journal, the HTTP face and client."""
