//! What is kept of the values of one minute or second, and what can be told of them.

use standin_model::Document;

/// Different values of a slot: more are told apart less and less finely, so that percentiles stay close.
const VALUES_MAX: usize = 100;
/// How far values lie apart that become one, as a part of them, at first.
const FINENESS: f64 = 0.01;

/// The values of one span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slot {
    pub count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
    /// Each value with how often it came, sorted; nothing where only sums are known.
    values: Option<Vec<(f64, f64)>>,
}

/// What is asked of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// 0 to 100.
    Percentile(f64),
}

impl Statistic {
    /// Reads `Average` or `p99.9`; nothing for statistics that are not kept.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => {
                let digits = text.strip_prefix('p')?;
                let percent: f64 = digits.parse().ok()?;
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                (plain && (0.0..=100.0).contains(&percent)).then_some(Self::Percentile(percent))?
            }
        })
    }
}

impl Slot {
    /// Of values that came as often as told.
    pub(super) fn of_values(values: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut slot = Self::default();
        for (value, count) in values {
            slot.add(&Self {
                count,
                sum: value * count,
                minimum: value,
                maximum: value,
                values: Some(vec![(value, count)]),
            });
        }
        slot
    }

    pub(super) fn of_sums(count: f64, sum: f64, minimum: f64, maximum: f64) -> Self {
        Self { count, sum, minimum, maximum, values: None }
    }

    /// Takes the values of another span.
    pub(super) fn add(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = other.clone();
            return;
        }
        if other.count == 0.0 {
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        let (Some(mine), Some(others)) = (&mut self.values, &other.values) else {
            self.values = None;
            return;
        };
        for (value, count) in others {
            match mine.binary_search_by(|(known, _)| known.total_cmp(value)) {
                Ok(at) => mine[at].1 += count,
                Err(at) => mine.insert(at, (*value, *count)),
            }
        }
        let mut fineness = FINENESS;
        while mine.len() > VALUES_MAX {
            for (value, _) in mine.iter_mut() {
                *value = rounded(*value, fineness);
            }
            mine.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
            fineness *= 2.0;
        }
    }

    /// Nothing where it cannot be told: percentiles of sums.
    pub(super) fn tell(&self, statistic: Statistic) -> Option<f64> {
        if self.count == 0.0 {
            return None;
        }
        match statistic {
            Statistic::SampleCount => Some(self.count),
            Statistic::Average => Some(self.sum / self.count),
            Statistic::Sum => Some(self.sum),
            Statistic::Minimum => Some(self.minimum),
            Statistic::Maximum => Some(self.maximum),
            Statistic::Percentile(percent) => self.percentile(percent),
        }
    }

    fn percentile(&self, percent: f64) -> Option<f64> {
        if self.minimum == self.maximum {
            return Some(self.minimum);
        }
        let wanted = percent / 100.0 * self.count;
        let mut seen = 0.0;
        for (value, count) in self.values.as_ref()? {
            seen += count;
            if seen >= wanted {
                return Some(value.clamp(self.minimum, self.maximum));
            }
        }
        Some(self.maximum)
    }

    pub(super) fn write(&self) -> Document {
        let mut list: Vec<Document> =
            [self.count, self.sum, self.minimum, self.maximum].into_iter().map(Document::from).collect();
        if let Some(values) = &self.values {
            list.extend(values.iter().flat_map(|(value, count)| [Document::from(*value), Document::from(*count)]));
        }
        Document::List(list)
    }

    pub(super) fn read(document: &Document) -> Option<Self> {
        let number = |document: &Document| match document {
            Document::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "it was a float when it was written")]
            Document::Int(number) => Some(*number as f64),
            _ => None,
        };
        let list = document.as_list()?;
        let (sums, values) = list.split_at_checked(4)?;
        let pairs = values.chunks_exact(2).map(|pair| Some((number(&pair[0])?, number(&pair[1])?)));
        Some(Self {
            count: number(&sums[0])?,
            sum: number(&sums[1])?,
            minimum: number(&sums[2])?,
            maximum: number(&sums[3])?,
            values: if values.is_empty() { None } else { Some(pairs.collect::<Option<_>>()?) },
        })
    }
}

/// A value to so many parts of itself.
fn rounded(value: f64, fineness: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let step = fineness.ln_1p();
    ((value.abs().ln() / step).round() * step).exp().copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], statistic: &str, expect: f64) {
        let slot = Slot::of_values(values.iter().map(|value| (*value, 1.0)));
        let statistic = Statistic::parse(statistic).expect("it is one");
        let read = Slot::read(&slot.write()).expect("it was written so");
        assert_eq!((slot.tell(statistic), read.tell(statistic)), (Some(expect), Some(expect)), "{values:?}");
    }

    #[test]
    fn statistics_are_told() {
        let values = [3.0, 1.0, 2.0, 2.0, 7.0];
        for (statistic, expect) in [
            ("SampleCount", 5.0),
            ("Sum", 15.0),
            ("Average", 3.0),
            ("Minimum", 1.0),
            ("Maximum", 7.0),
            ("p50", 2.0),
            ("p0", 1.0),
            ("p99.9", 7.0),
        ] {
            check(&values, statistic, expect);
        }
        for text in ["p", "p101", "p-1", "pNaN", "p1e1", "tm99", "average", ""] {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_have_no_percentiles_but_all_else() {
        let mut slot = Slot::of_sums(4.0, 20.0, 2.0, 9.0);
        assert_eq!((slot.tell(Statistic::Average), slot.tell(Statistic::Percentile(50.0))), (Some(5.0), None));
        slot.add(&Slot::of_values([(1.0, 1.0)].into_iter()));
        assert_eq!((slot.minimum, slot.count, slot.tell(Statistic::Percentile(50.0))), (1.0, 5.0, None));
        let same = Slot::of_sums(3.0, 6.0, 2.0, 2.0);
        assert_eq!(same.tell(Statistic::Percentile(90.0)), Some(2.0));
        assert_eq!(Slot::default().tell(Statistic::Sum), None);
    }

    #[test]
    fn many_values_are_told_apart_less_finely() {
        let slot = Slot::of_values((1..=10_000).map(|value| (f64::from(value), 1.0)));
        assert!(slot.values.as_ref().is_some_and(|values| values.len() <= VALUES_MAX));
        for (percent, expect) in [(10.0, 1000.0), (50.0, 5000.0), (99.0, 9900.0)] {
            let told = slot.tell(Statistic::Percentile(percent)).expect("values are known");
            assert!((told - expect).abs() < expect * 0.2, "p{percent} is {told}");
        }
        let far =
            Slot::of_values((-107..=108).map(|power| (10_f64.powi(power), 1.0)).chain([(-1e100, 1.0), (0.0, 1.0)]));
        assert!(far.values.as_ref().is_some_and(|values| values.len() <= VALUES_MAX));
    }
}
