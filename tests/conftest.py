"""For all tests: what hypothesis asserts of wall-clock time says something of the machine, nothing of the code."""

from hypothesis import HealthCheck, settings

settings.register_profile("kurir", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kurir")
