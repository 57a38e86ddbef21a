//! Dates: seconds since 1970 to and from the ways they are written.

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second in the Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    weekday: i64,
}

impl Civil {
    /// The calendar's view of `unix` seconds. The year is counted from a March 1st, which puts the leap day last.
    pub(crate) fn from_unix(unix: i64) -> Self {
        let days = unix.div_euclid(DAY);
        let rest = unix.rem_euclid(DAY);
        let from_era = days + 719_468;
        let era = from_era.div_euclid(146_097);
        let day_of_era = from_era.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: days.rem_euclid(7),
        }
    }

    fn weekday_name(&self) -> &'static str {
        WEEKDAYS[self.weekday as usize]
    }

    fn month_name(&self) -> &'static str {
        MONTHS[(self.month - 1) as usize]
    }

    /// As in mail headers: `Mon, 07 Jan 2019 08:15:00 +0000`.
    pub(crate) fn mail(&self) -> String {
        format!("{} +0000", self.mail_local())
    }

    fn mail_local(&self) -> String {
        format!(
            "{}, {:02} {} {} {:02}:{:02}:{:02}",
            self.weekday_name(),
            self.day,
            self.month_name(),
            self.year,
            self.hour,
            self.minute,
            self.second
        )
    }

    /// As in the truth: `2019-01-07 08:15:00`.
    pub(crate) fn plain(&self) -> String {
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }

    /// As people write: `7 January` without the year would not be searchable, so `7 Jan 2019`.
    pub(crate) fn short(&self) -> String {
        format!("{} {} {}", self.day, self.month_name(), self.year)
    }
}

/// The seconds since 1970 that an RFC 3339 date means.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if separators.iter().any(|(at, byte)| bytes.get(*at) != Some(byte))
        || !matches!(bytes.get(10), Some(b'T' | b't' | b' '))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut zone = text.get(19..)?;
    if let Some(fraction) = zone.strip_prefix('.') {
        zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let at = text.len() - 5;
            let seconds = number(at, at + 2)? * 3600 + number(at + 3, at + 5)? * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let unix = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    // The day must exist in its month.
    (Civil::from_unix(unix - second).day == day).then_some(unix - offset)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_known_days() {
        assert_eq!(Civil::from_unix(0).mail(), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(Civil::from_unix(951_782_400).plain(), "2000-02-29 00:00:00");
        assert_eq!(Civil::from_unix(1_488_296_340).short(), "28 Feb 2017");
        assert_eq!(Civil::from_unix(-1).plain(), "1969-12-31 23:59:59");
    }

    #[test]
    fn reads_back_what_it_writes() {
        for unix in (-5_000_000_000..5_000_000_000_i64).step_by(86_399 * 7) {
            let text = Civil::from_unix(unix).plain().replace(' ', "T") + "Z";
            assert_eq!(parse_rfc3339(&text), Some(unix), "{text}");
        }
    }

    #[test]
    fn reads_offsets_and_fractions_and_refuses_the_rest() {
        assert_eq!(parse_rfc3339("1970-01-01T02:00:00.25+02:00"), Some(0));
        for bad in ["", "1970-01-01", "1970-13-01T00:00:00Z", "1970-02-30T00:00:00Z", "1970-01-01T00:00:00"] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
