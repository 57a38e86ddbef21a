//! Years and months of dates, in a time zone.

use super::Facet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The year or month of a date, as text, and the first date after it. Emails without a date have the empty one; `None` for
/// a date that no calendar has.
pub fn period(facet: Facet, micros: i64, tz: &TimeZone) -> Option<(Vec<u8>, i64)> {
    if micros == i64::MIN {
        return Some((Vec::new(), i64::MIN + 1));
    }
    let date = Timestamp::from_microsecond(micros).ok()?.to_zoned_datetime(tz.clone()).date();
    let (text, next) = if facet == Facet::Year {
        (format!("{:04}", date.year()), next(date.year().checked_add(1)?, 1))
    } else {
        let month = date.month();
        let after =
            if month == 12 { next(date.year().checked_add(1)?, 1) } else { next(date.year(), month + 1) };
        (format!("{:04}-{month:02}", date.year()), after)
    };
    let end = next
        .and_then(|date| date.to_zoned_datetime(tz.clone()).ok())
        .map(|zoned| zoned.timestamp().as_microsecond());
    // The last period of the calendar has no end.
    Some((text.into_bytes(), end.unwrap_or(i64::MAX).max(micros.saturating_add(1))))
}

fn next(year: i16, month: i8) -> Option<Date> {
    Date::new(year, month, 1).ok()
}

/// Counts dates by periods: `date` gives those of so many emails, ascending.
pub fn count(
    facet: Facet,
    tz: &TimeZone,
    emails: usize,
    date: impl Fn(usize) -> i64,
    mut to: impl FnMut(&[u8], u64),
) {
    let mut from = 0;
    while from < emails {
        let Some((text, end)) = period(facet, date(from), tz) else {
            from += 1;
            continue;
        };
        // Those of a period lie beside each other: its end is looked for by halves.
        let (mut low, mut high) = (from + 1, emails);
        while low < high {
            let middle = low + (high - low) / 2;
            if date(middle) < end { low = middle + 1 } else { high = middle }
        }
        to(&text, (low - from) as u64);
        from = low;
    }
}
