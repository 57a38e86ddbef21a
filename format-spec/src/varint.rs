//! Small numbers in few bytes: seven bits a byte, lowest first, the high bit says that another follows.
//!
//! What always holds: what is read is below 2^28, as all lengths inside a block and of a value are; a longer one is refused.

/// Appends a number.
pub fn put(mut n: usize, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(u8::try_from(n & 0x7f).unwrap_or(0) | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).unwrap_or(0));
}

/// Takes a number off the front.
///
/// # Errors
/// What is wrong with the bytes there.
pub fn take(rest: &mut &[u8]) -> Result<usize, &'static str> {
    let mut value = 0usize;
    for shift in [0u32, 7, 14, 21] {
        let (byte, tail) = rest.split_first().ok_or("a number is cut")?;
        *rest = tail;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long")
}
