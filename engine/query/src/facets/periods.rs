//! Years and months of dates, in a time zone.

use super::Facet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The year or month of a date, as text, and a date until which all that follow are of it too. Emails without a date have the empty one; `None` for
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
    // Where clocks are put back over the end of a month, what follows is of the month before once more.
    let moment = Timestamp::from_microsecond(micros).ok()?;
    let turn = tz.following(moment).next().map(|turn| turn.timestamp().as_microsecond());
    // The last period of the calendar has no end.
    let end = end.unwrap_or(i64::MAX).min(turn.unwrap_or(i64::MAX));
    Some((text.into_bytes(), end.max(micros.saturating_add(1))))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn told(facet: Facet, zone: &str, dates: &[&str]) -> BTreeMap<String, u64> {
        let tz = TimeZone::get(zone).unwrap();
        let micros = |date: &&str| date.parse::<Timestamp>().unwrap().as_microsecond();
        let dates: Vec<i64> = dates.iter().map(micros).collect();
        let mut out = BTreeMap::new();
        count(
            facet,
            &tz,
            dates.len(),
            |n| dates[n],
            |text, emails| {
                *out.entry(String::from_utf8(text.to_vec()).unwrap()).or_default() += emails;
            },
        );
        // One by one it is the same.
        let mut each: BTreeMap<String, u64> = BTreeMap::new();
        for date in dates {
            let (text, end) = period(facet, date, &tz).unwrap();
            assert!(end > date);
            *each.entry(String::from_utf8(text).unwrap()).or_default() += 1;
        }
        assert_eq!(out, each);
        out
    }

    /// At one minute past midnight of the first of November clocks were put back to the last of October. What followed counted
    /// for November, as November had begun.
    #[test]
    fn a_month_may_begin_twice() {
        let dates =
            ["2009-11-01T02:29:00Z", "2009-11-01T02:30:30Z", "2009-11-01T03:00:00Z", "2009-11-01T03:31:00Z"];
        let told = told(Facet::Month, "America/St_Johns", &dates);
        assert_eq!(told, [("2009-10".to_owned(), 2), ("2009-11".to_owned(), 2)].into());
    }

    #[test]
    fn years_end_where_they_do_in_their_zone() {
        let dates =
            ["2019-12-31T22:59:59Z", "2019-12-31T23:00:00Z", "2020-06-01T00:00:00Z", "2020-12-31T23:00:00Z"];
        let told = told(Facet::Year, "Europe/Berlin", &dates);
        assert_eq!(told, [("2019".to_owned(), 1), ("2020".to_owned(), 2), ("2021".to_owned(), 1)].into());
    }
}
