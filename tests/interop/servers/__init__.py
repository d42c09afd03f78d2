"""Other people's mail servers behind a real Kurir: each in a folder of its own, on loopback, gone afterwards."""
