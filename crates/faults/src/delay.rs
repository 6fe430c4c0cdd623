//! How long an answer takes: fixed, or drawn from a distribution.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use standin_core::{Draw, duration_text, parse_duration};

/// Longer delays are cut to this: no client waits an hour.
const DELAY_MAX: Duration = Duration::from_secs(3600);

/// A delay, as text: `200ms`; `100ms..300ms` (uniform); `normal 200ms 50ms` (mean and standard deviation);
/// `lognormal 200ms 0.5` (median and sigma); `p50=80ms p99=2s` (percentiles, in between on a logarithmic scale). Behind it
/// may stand what each kilobyte of the answer adds: `50ms + 2ms/KB`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delay {
    text: String,
    shape: Shape,
    /// Seconds per 1,000 bytes.
    per_kilobyte: f64,
}

/// All times in seconds.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Fixed(f64),
    Uniform {
        from: f64,
        to: f64,
    },
    Normal {
        mean: f64,
        deviation: f64,
    },
    LogNormal {
        median: f64,
        sigma: f64,
    },
    /// Shares from 0 to 1 and their times, both rising; the first has the share 0, the last 1.
    Percentiles(Vec<(f64, f64)>),
}

impl Delay {
    /// What it is this time, for an answer of so many bytes.
    pub fn draw(&self, draw: &mut Draw, answer_bytes: u64) -> Duration {
        let seconds = match &self.shape {
            Shape::Fixed(seconds) => *seconds,
            Shape::Uniform { from, to } => from + (to - from) * unit(draw),
            Shape::Normal { mean, deviation } => mean + deviation * normal(draw),
            Shape::LogNormal { median, sigma } => median * (sigma * normal(draw)).exp(),
            Shape::Percentiles(points) => percentile(points, unit(draw)),
        };
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        let seconds = seconds + self.per_kilobyte * answer_bytes as f64 / 1000.0;
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(DELAY_MAX).min(DELAY_MAX)
    }

    /// Whether it depends on how long the answer is.
    pub fn needs_size(&self) -> bool {
        self.per_kilobyte > 0.0
    }
}

/// From 0 to 1, without 1.
pub(crate) fn unit(draw: &mut Draw) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let numerator = (draw.next_u64() >> 11) as f64;
    numerator / (1_u64 << 53) as f64
}

/// Of the standard normal distribution (Box and Muller).
fn normal(draw: &mut Draw) -> f64 {
    let (u, v) = (1.0 - unit(draw), unit(draw));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Between two points on a logarithmic scale, as latencies spread over orders of magnitude.
fn percentile(points: &[(f64, f64)], share: f64) -> f64 {
    let above = points.partition_point(|(at, _)| *at <= share).clamp(1, points.len() - 1);
    let ((from, low), (to, high)) = (points[above - 1], points[above]);
    let part = if to > from { ((share - from) / (to - from)).clamp(0.0, 1.0) } else { 1.0 };
    if low <= 0.0 { low + (high - low) * part } else { low * (high / low).powf(part) }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no delay such as 200ms, 100ms..300ms, normal 200ms 50ms, lognormal 200ms 0.5 or p50=80ms p99=2s"
            )
        };
        let seconds = |text: &str| parse_duration(text).map(|duration| duration.as_secs_f64());
        let (base, per_kilobyte) = match text.split_once('+') {
            Some((base, more)) => {
                let more = more.trim();
                let size = more.strip_suffix("/KB").or_else(|| more.strip_suffix("/kB")).ok_or_else(wrong)?;
                (base.trim(), seconds(size)?)
            }
            None => (text.trim(), 0.0),
        };
        let words: Vec<&str> = base.split_whitespace().collect();
        let shape = match words[..] {
            ["normal", mean, deviation] => Shape::Normal { mean: seconds(mean)?, deviation: seconds(deviation)? },
            ["lognormal", median, sigma] => {
                let sigma: f64 = sigma.parse().map_err(|_| wrong())?;
                if !(0.0..=10.0).contains(&sigma) {
                    return Err(format!("the sigma of {text:?} is not from 0 to 10"));
                }
                Shape::LogNormal { median: seconds(median)?, sigma }
            }
            [first, ..] if first.starts_with('p') => {
                Shape::Percentiles(percentiles(&words).map_err(|why| format!("{text:?}: {why}"))?)
            }
            [one] => match one.split_once("..") {
                Some((from, to)) => {
                    let (from, to) = (seconds(from)?, seconds(to)?);
                    if from > to {
                        return Err(format!("{text:?} ends before it begins"));
                    }
                    Shape::Uniform { from, to }
                }
                None => Shape::Fixed(seconds(one)?),
            },
            _ => return Err(wrong()),
        };
        Ok(Self { text: text.to_owned(), shape, per_kilobyte })
    }
}

/// `p50=80ms p99=2s`. Below the first point the times fall to half of it; above the last they rise by half.
fn percentiles(words: &[&str]) -> Result<Vec<(f64, f64)>, String> {
    let mut points = Vec::with_capacity(words.len() + 2);
    for word in words {
        let (share, time) = word.split_once('=').ok_or_else(|| format!("{word:?} is no percentile such as p99=2s"))?;
        let digits = share.strip_prefix('p').filter(|digits| (1..=6).contains(&digits.len()));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
        let number: f64 =
            digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| format!("{share:?} is no percentile"))?;
        // p999 is 99.9 %.
        let share = if number <= 100.0 {
            number / 100.0
        } else {
            number / 10_f64.powi(digits.unwrap_or_default().len() as i32)
        };
        let time = parse_duration(time)?.as_secs_f64();
        if points.last().is_some_and(|(before, shorter)| *before >= share || *shorter > time) {
            return Err("percentiles and their times must rise".to_owned());
        }
        points.push((share, time));
    }
    let (first, last) = (points[0], points[points.len() - 1]);
    if first.0 > 0.0 {
        points.insert(0, (0.0, first.1 / 2.0));
    }
    if last.0 < 1.0 {
        points.push((1.0, last.1 * 1.5));
    }
    Ok(points)
}

impl TryFrom<String> for Delay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Delay> for String {
    fn from(delay: Delay) -> Self {
        delay.text
    }
}

impl From<Duration> for Delay {
    fn from(duration: Duration) -> Self {
        Self { text: duration_text(duration), shape: Shape::Fixed(duration.as_secs_f64()), per_kilobyte: 0.0 }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times at the given shares of many draws, in milliseconds.
    fn quantiles(text: &str, shares: [f64; 3]) -> [f64; 3] {
        let delay: Delay = text.parse().unwrap();
        let mut draw = Draw::from_seed(7);
        let mut times: Vec<f64> = (0..20_000).map(|_| delay.draw(&mut draw, 0).as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        shares.map(|share| times[((times.len() - 1) as f64 * share) as usize])
    }

    #[track_caller]
    fn check(text: &str, expect: [f64; 3]) {
        for (found, expect) in quantiles(text, [0.1, 0.5, 0.99]).into_iter().zip(expect) {
            assert!((found - expect).abs() <= expect * 0.05 + 0.5, "{text}: {found} instead of {expect}");
        }
    }

    #[test]
    fn distributions() {
        check("200ms", [200.0, 200.0, 200.0]);
        check("100ms..300ms", [120.0, 200.0, 298.0]);
        check("normal 200ms 50ms", [136.0, 200.0, 316.0]);
        check("lognormal 200ms 0.5", [105.4, 200.0, 640.0]);
        check("p50=80ms p99=2s", [46.0, 80.0, 2000.0]);
    }

    #[test]
    fn size_adds() {
        let delay: Delay = "10ms + 2ms/KB".parse().unwrap();
        assert_eq!(delay.draw(&mut Draw::from_seed(1), 5000), Duration::from_millis(20));
    }

    #[test]
    fn wrong_texts() {
        for text in
            ["", "fast", "10", "3s..1s", "p50=2s p99=1s", "p=1s", "px=1s", "normal 1s", "1s + 3", "lognormal 1s -1"]
        {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }
}
