"""What a network costs where it runs."""

from tinyml.profile.emulated import LayerProfile, Profile, Trace, profile_emulated, trace_emulated

__all__ = ["LayerProfile", "Profile", "Trace", "profile_emulated", "trace_emulated"]
