//! Days and time zones: where a day of a query begins, and how times are told.
//!
//! What always holds: times are microseconds since 1970 UTC; a day that the calendar or the zone does not have is
//! an error, never another day.

use crate::error::QueryError;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use postlode_format::row::ArchivedStamp;

/// The zone of a name: an IANA name, `UTC`, `Z` or an offset as `+02:00`, `+0200`, `+2`. None: UTC.
///
/// # Errors
/// [`QueryError::Parameter`] for any other name.
pub fn zone(name: Option<&str>) -> Result<TimeZone, QueryError> {
    let name = name.map_or("", str::trim);
    if name.is_empty() || name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if let Some(zone) = offset(name) {
        return Ok(zone);
    }
    TimeZone::get(name).map_err(|_| QueryError::Parameter {
        parameter: "tz",
        why: format!(
            "{:?} is no time zone: use a name like Europe/Paris, UTC, or an offset like +02:00",
            cut(name)
        ),
    })
}

fn offset(name: &str) -> Option<TimeZone> {
    let sign = match name.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = name.get(1..)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let number = |text: &str| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|m| *m < 60)?);
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    Some(TimeZone::fixed(Offset::from_seconds(seconds.checked_mul(sign)?).ok()?))
}

/// The moment at which a day, month or year of a query begins; a whole RFC 3339 time is that moment.
#[must_use]
pub fn beginning_of(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    if text.contains(['T', 't']) {
        return text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
    }
    beginning(period(text)?.0, zone)
}

/// The moments between which a day, month or year of a query lies: the first is in it, the second is not.
#[must_use]
pub fn within(text: &str, zone: &TimeZone) -> Option<(i64, i64)> {
    let (first, long) = period(text.trim())?;
    Some((beginning(first, zone)?, beginning(first.checked_add(long).ok()?, zone)?))
}

/// The moment that is a number of days, weeks, months or years (`7d`, `2w`, `6m`, `1y`) before another, by the calendar of the
/// zone.
#[must_use]
pub fn ago(text: &str, zone: &TimeZone, now: Timestamp) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = (1..=6).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let number: i32 = digits.then(|| number.parse().ok()).flatten()?;
    let span = match unit {
        "d" => Span::new().try_days(number),
        "w" => Span::new().try_weeks(number),
        "m" => Span::new().try_months(number),
        "y" => Span::new().try_years(number),
        _ => return None,
    };
    let then = now.to_zoned_datetime(zone.clone()).checked_sub(span.ok()?).ok()?;
    Some(then.timestamp().as_microsecond())
}

/// The first day of a day, month or year, and how long that is.
fn period(text: &str) -> Option<(Date, Span)> {
    let mut parts = text.split(['-', '/', '.']);
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map(|m| number(m, 2));
    let day = parts.next().map(|d| number(d, 2));
    if parts.next().is_some() {
        return None;
    }
    let long = match (month, day) {
        (None, _) => Span::new().years(1),
        (Some(_), None) => Span::new().months(1),
        (Some(_), Some(_)) => Span::new().days(1),
    };
    let (month, day) = (month.unwrap_or(Some(1))?, day.unwrap_or(Some(1))?);
    let first = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some((first, long))
}

fn beginning(date: Date, zone: &TimeZone) -> Option<i64> {
    Some(date.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_microsecond())
}

fn number(text: &str, digits: usize) -> Option<i16> {
    let fits = text.bytes().all(|b| b.is_ascii_digit()) && (1..=digits).contains(&text.len());
    (fits && (digits != 4 || text.len() == 4)).then(|| text.parse().ok()).flatten()
}

/// RFC 3339 in UTC with `Z`; none for a date that is not known.
#[must_use]
pub fn utc(micros: i64) -> Option<String> {
    (micros != i64::MIN).then(|| Timestamp::from_microsecond(micros).ok().map(|t| t.to_string())).flatten()
}

/// RFC 3339 with the offset it was written with, `Z` where none is known.
#[must_use]
pub fn original(stamp: &ArchivedStamp) -> Option<String> {
    let micros = stamp.unix_micros.to_native();
    let Some(minutes) = stamp.offset_minutes.as_ref().map(|m| m.to_native()) else { return utc(micros) };
    let offset = Offset::from_seconds(i32::from(minutes).checked_mul(60)?).ok()?;
    let time = Timestamp::from_microsecond(micros).ok()?;
    Some(time.display_with_offset(offset).to_string())
}

/// The date of a mail header (RFC 5322).
#[must_use]
pub fn header(micros: i64, offset_minutes: Option<i16>) -> Option<String> {
    let offset = Offset::from_seconds(i32::from(offset_minutes.unwrap_or(0)).checked_mul(60)?).ok()?;
    let time = Timestamp::from_microsecond(micros).ok()?.to_zoned_datetime(TimeZone::fixed(offset));
    Some(time.strftime("%a, %d %b %Y %H:%M:%S %z").to_string())
}

/// A value of a stranger, short enough for a message.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000_000;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn days_begin_where_the_zone_says() {
        let utc = zone(None).unwrap();
        assert_eq!(beginning_of("2017-02-28", &utc), Some(at("2017-02-28T00:00:00Z")));
        assert_eq!(beginning_of("2017/2/8", &utc), Some(at("2017-02-08T00:00:00Z")));
        assert_eq!(beginning_of("2017-03", &utc), Some(at("2017-03-01T00:00:00Z")));
        assert_eq!(beginning_of("2017", &utc), Some(at("2017-01-01T00:00:00Z")));
        assert_eq!(beginning_of("2017-02-28T10:00:00+02:00", &utc), Some(at("2017-02-28T08:00:00Z")));
        let paris = zone(Some("Europe/Paris")).unwrap();
        assert_eq!(beginning_of("2017-07-01", &paris), Some(at("2017-07-01T00:00:00Z") - 2 * HOUR));
        assert_eq!(beginning_of("2017-01-01", &paris), Some(at("2017-01-01T00:00:00Z") - HOUR));
        for (name, hours) in [("+02:00", 2), ("-0530", -6), ("+2", 2)] {
            let shift =
                beginning_of("2017-07-01", &zone(Some(name)).unwrap()).unwrap() - at("2017-07-01T00:00:00Z");
            assert_eq!(-shift.div_euclid(HOUR), hours + i64::from(name == "-0530"), "{name}");
        }
        // A day that begins at one o'clock, because the clocks went forward at midnight.
        let sao_paulo = zone(Some("America/Sao_Paulo")).unwrap();
        assert_eq!(beginning_of("2017-10-15", &sao_paulo), Some(at("2017-10-15T03:00:00Z")));
    }

    #[test]
    fn periods_end_where_the_next_begins() {
        let paris = zone(Some("Europe/Paris")).unwrap();
        for (text, from, to) in [
            ("2020-02-29", "2020-02-28T23:00:00Z", "2020-02-29T23:00:00Z"),
            // A day of twenty-three hours.
            ("2020-03-29", "2020-03-28T23:00:00Z", "2020-03-29T22:00:00Z"),
            ("2020/12", "2020-11-30T23:00:00Z", "2020-12-31T23:00:00Z"),
            (" 2020 ", "2019-12-31T23:00:00Z", "2020-12-31T23:00:00Z"),
        ] {
            assert_eq!(within(text, &paris), Some((at(from), at(to))), "{text}");
        }
        for text in ["", "2020-02-30", "2020-01-01T00:00:00Z", "yesterday", "9999-12-31", "9999"] {
            assert_eq!(within(text, &paris), None, "{text}");
        }
    }

    #[test]
    fn so_long_ago_is_told_by_the_calendar() {
        let paris = zone(Some("Europe/Paris")).unwrap();
        let now: Timestamp = "2020-03-31T10:00:00Z".parse().unwrap();
        for (text, then) in [
            ("0d", "2020-03-31T10:00:00Z"),
            ("1d", "2020-03-30T10:00:00Z"),
            // Before the clocks were changed.
            ("3D", "2020-03-28T11:00:00Z"),
            ("1w", "2020-03-24T11:00:00Z"),
            ("1m", "2020-02-29T11:00:00Z"),
            (" 1y", "2019-03-31T10:00:00Z"),
        ] {
            assert_eq!(ago(text, &paris, now), Some(at(then)), "{text}");
        }
        for text in ["", "d", "7", "-7d", "7h", "7 d", "1.5d", "9999999d", "999999y", "７d", "é"] {
            assert_eq!(ago(text, &paris, now), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_or_zone_is_refused() {
        let utc = zone(None).unwrap();
        for text in [
            "",
            "2017-02-30",
            "2017-13-01",
            "17-01-01",
            "2017-01-01-01",
            "yesterday",
            "99999-01-01",
            "2017-1x",
        ] {
            assert_eq!(beginning_of(text, &utc), None, "{text}");
        }
        for name in ["Mars/Olympus", "+99:00", "+1:99", "-", "+é", "../etc/passwd"] {
            assert!(zone(Some(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn times_are_told() {
        assert_eq!(utc(at("2017-02-28T15:39:00Z")).unwrap(), "2017-02-28T15:39:00Z");
        assert_eq!(utc(i64::MIN), None);
        assert_eq!(header(at("2017-02-28T15:39:00Z"), Some(-90)).unwrap(), "Tue, 28 Feb 2017 14:09:00 -0130");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String, micros: i64, minutes: i16) {
            drop(zone(Some(&text)));
            let _ = (beginning_of(&text, &TimeZone::UTC), within(&text, &TimeZone::UTC));
            let _ = ago(&text, &TimeZone::UTC, Timestamp::UNIX_EPOCH);
            drop(utc(micros));
            drop(header(micros, Some(minutes)));
        }
    }
}
