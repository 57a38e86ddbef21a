//! The runtime seam: disk, clock, randomness, spawning.
