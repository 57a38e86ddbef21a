//! Sizes and numbers as people write and read them.

/// Bytes of a text as `2GiB`, `512MiB`, `64k` or a plain number. Steps are of 1024.
///
/// # Errors
/// What is wrong, for people.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err("a size is a number with KiB, MiB, GiB or TiB, as 2GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a size begins with a number, as 2GiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "the size is too large".to_owned())
}

/// Bytes in the unit that leaves one to three digits before the point.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit < UNITS.len() - 1 {
        size /= 1024.0;
        unit += 1;
    }
    let unit_name = UNITS.get(unit).copied().unwrap_or("B");
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {unit_name}") }
}

/// A number with commas between groups of three digits.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse("2GiB"), Ok(2 << 30));
        assert_eq!(parse("64 k"), Ok(64 << 10));
        assert_eq!(parse("7"), Ok(7));
        for bad in ["", "GiB", "-1", "1.5GiB", "2 gigs", "99999999999TiB"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(25_666_560), "24.5 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}
