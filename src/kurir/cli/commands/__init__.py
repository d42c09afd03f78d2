"""One module per command; each exports ``command``, imported only when that command runs."""
