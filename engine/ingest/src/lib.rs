//! The load pipeline.
