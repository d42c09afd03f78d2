"""The documentation and the rules of the house, tested."""
