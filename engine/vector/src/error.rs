//! What can be wrong with vectors, and with the bytes of an index.

/// Why vectors or an index were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// A vector of another dimension.
    #[error("a vector of {found} dimensions among vectors of {expected}")]
    Dimension {
        /// What the others have.
        expected: usize,
        /// What this one has.
        found: usize,
    },
    /// A vector without a direction: not finite, or all zeros.
    #[error("vector {0} has no direction: it is zero, or a value of it is not finite")]
    NoDirection(u64),
    /// A dimension nobody has.
    #[error("vectors of {0} dimensions are not supported: 1 to {max} are", max = crate::code::MOST_DIMENSIONS)]
    TooManyDimensions(usize),
    /// More vectors than one index can have.
    #[error("{0} vectors are more than one index can have ({max})", max = crate::graph::MOST_NODES)]
    TooMany(u64),
    /// Memory that the system does not give.
    #[error("no memory for {bytes} bytes of vectors: {reason}")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
        /// What the system says.
        reason: String,
    },
    /// Exact values that cannot be read from where they are.
    #[error("exact values: {0}")]
    Unreadable(String),
    /// The bytes of an index that are not one.
    #[error("not an index of vectors: {0}")]
    Damaged(String),
}
