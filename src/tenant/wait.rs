//! The wait that a service asks for, and its clock.

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The wait that a service asks for: seconds (fractions allowed) or a date, bounded against nonsense.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    let wait = match asked.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let until = httpdate::parse_http_date(asked).ok()?;
            // By the service's own clock, where it tells it.
            let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
            until
                .duration_since(now.unwrap_or_else(SystemTime::now))
                .unwrap_or_default()
        }
    };
    Some(wait.min(Duration::from_secs(24 * 3600)))
}

/// By how many seconds a service's clock is ahead of this machine's; none where it does not tell, or nonsense.
pub fn ahead(headers: &HeaderMap) -> Option<i64> {
    const MOST: i64 = 10 * 366 * 24 * 3600;
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let ahead = match date.duration_since(SystemTime::now()) {
        Ok(ahead) => ahead.as_secs() as i64,
        // The date is a whole second, so that it seems up to one behind.
        Err(behind) => -(behind.duration().as_secs() as i64),
    };
    (ahead.abs() < MOST).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn asked(retry_after: &str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        super::retry_after(&headers)
    }

    #[test]
    fn a_wait_is_read_in_seconds_or_as_a_date() {
        assert_eq!(asked(" 2.128 ", None), Some(Duration::from_millis(2128)));
        assert_eq!(asked("9e9", None), Some(Duration::from_secs(24 * 3600)));
        let now = Some("Sun, 22 Nov 2026 09:00:00 GMT");
        for date in [
            "Sun, 22 Nov 2026 09:02:05 GMT",
            "Sunday, 22-Nov-26 09:02:05 GMT",
            "Sun Nov 22 09:02:05 2026",
        ] {
            assert_eq!(asked(date, now), Some(Duration::from_secs(125)), "{date}");
        }
        assert_eq!(asked("Sun, 22 Nov 2026 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(asked("Thu, 01 Jan 1970 00:00:00 GMT", None), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "NaN", "inf", "Sun, 99 Nov 2026 08:00:00 GMT"] {
            assert_eq!(asked(nonsense, None), None, "{nonsense}");
        }
    }
}
