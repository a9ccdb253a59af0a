"""What a network costs where it runs."""

from tinyml.profile.autotune import count_candidates
from tinyml.profile.emulated import Profile, Trace, measure_emulated, profile_emulated, trace_emulated
from tinyml.profile.measurement import Firmware, Inference, LayerProfile, Measurement, samples
from tinyml.profile.served import measure_served

__all__ = [
    "Firmware",
    "Inference",
    "LayerProfile",
    "Measurement",
    "Profile",
    "Trace",
    "count_candidates",
    "measure_emulated",
    "measure_served",
    "profile_emulated",
    "samples",
    "trace_emulated",
]
