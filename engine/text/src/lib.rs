//! Keyword indexes inside segments.
