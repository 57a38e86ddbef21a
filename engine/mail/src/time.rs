//! Times of MAPI and of mail headers, as [`Stamp`]s.

use postlode_format::row::Stamp;

/// 100 ns between 1601 and 1970.
const FILETIME_1970: i128 = 116_444_736_000_000_000;
/// The last microsecond of the year 9999: beyond, RFC 3339 has no form for a time.
const LATEST: i128 = 253_402_300_799_999_999;
/// How far a header may be off the time beside it and still tell its offset: an hour.
const SAME_TIME: u64 = 3_600_000_000;

/// Microseconds since 1970 UTC of a FILETIME; `None` past the year 9999.
#[must_use]
pub fn filetime(ticks: u64) -> Option<i64> {
    let micros = i128::from(ticks).checked_sub(FILETIME_1970)?.div_euclid(10);
    if micros > LATEST { None } else { i64::try_from(micros).ok() }
}

/// The time of a mail header, with its offset.
#[must_use]
pub fn header_time(time: &mail_parser::DateTime) -> Option<Stamp> {
    if !time.is_valid() {
        return None;
    }
    let micros = i128::from(time.to_timestamp()).checked_mul(1_000_000)?;
    let offset = i16::from(time.tz_hour).checked_mul(60)?.checked_add(i16::from(time.tz_minute))?;
    let offset = if time.tz_before_gmt { offset.checked_neg()? } else { offset };
    if micros > LATEST {
        return None;
    }
    // An offset past 14 hours exists nowhere; the time may be right all the same.
    let offset_minutes = (offset.unsigned_abs() <= 14 * 60).then_some(offset);
    Some(Stamp { unix_micros: i64::try_from(micros).ok()?, offset_minutes })
}

/// A stored time with the offset of the header that tells of the same moment.
#[must_use]
pub fn with_offset(ticks: Option<u64>, header: Option<Stamp>) -> Option<Stamp> {
    let Some(unix_micros) = ticks.and_then(filetime) else { return header };
    let same = header.filter(|h| h.unix_micros.abs_diff(unix_micros) <= SAME_TIME);
    Some(Stamp { unix_micros, offset_minutes: same.and_then(|h| h.offset_minutes) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filetimes_are_converted() {
        assert_eq!(filetime(116_444_736_000_000_000), Some(0));
        assert_eq!(filetime(130_378_608_600_000_019), Some(1_393_387_260_000_001));
        assert_eq!(filetime(1), Some(-11_644_473_600_000_000));
        assert_eq!(filetime(u64::MAX), None);
    }

    #[test]
    fn an_offset_comes_from_a_header_of_the_same_time_only() {
        let header = Stamp { unix_micros: 60_000_000, offset_minutes: Some(-480) };
        let at = |micros: i64| Some(u64::try_from(i128::from(micros) * 10 + FILETIME_1970).unwrap());
        assert_eq!(with_offset(at(59_000_000), Some(header)).unwrap().offset_minutes, Some(-480));
        assert_eq!(with_offset(at(59_000_000), Some(header)).unwrap().unix_micros, 59_000_000);
        assert_eq!(with_offset(at(90_000_000_000), Some(header)).unwrap().offset_minutes, None);
        assert_eq!(with_offset(None, Some(header)), Some(header));
        assert_eq!(with_offset(None, None), None);
    }

    proptest! {
        #[test]
        fn any_time_is_converted(ticks: u64, year: u16, parts: [u8; 7], before: bool) {
            let _ = filetime(ticks);
            let [month, day, hour, minute, second, tz_hour, tz_minute] = parts;
            let time = mail_parser::DateTime { year, month, day, hour, minute, second, tz_before_gmt: before, tz_hour, tz_minute };
            let _ = header_time(&time);
        }
    }
}
