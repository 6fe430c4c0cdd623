//! Metric math: expressions over metrics.
//!
//! Facts: "Using math expressions with CloudWatch metrics" of the CloudWatch user guide.

use std::collections::BTreeMap;

/// Values by the begin of their period, in seconds since 1970.
pub(super) type Points = BTreeMap<i64, f64>;

/// Parts of an expression within each other.
const DEPTH_MAX: usize = 32;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    /// The result of another query.
    Id(String),
    Text(String),
    Operator(Operator, Box<Self>, Box<Self>),
    Negative(Box<Self>),
    Call(String, Vec<Self>),
    List(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// What an expression comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Points(Points),
    /// Several metrics, each with its label.
    Many(Vec<(String, Points)>),
}

/// Operators by how closely they bind, the loosest first; longer ones before those that they begin with.
const OPERATORS: &[&[(&str, Operator)]] = &[
    &[("||", Operator::Or)],
    &[("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Different),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
    &[("^", Operator::Power)],
];

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let expression = parser.level(0)?;
        if parser.rest.trim().is_empty() {
            Ok(expression)
        } else {
            Err(format!("nothing is expected at `{}`", parser.rest.trim()))
        }
    }

    /// The ids of the queries that it needs; `all` where it needs those of every metric.
    pub(super) fn needs(&self, ids: &mut Vec<String>, all: &mut bool) {
        match self {
            Self::Id(id) => ids.push(id.clone()),
            Self::Operator(_, left, right) => {
                left.needs(ids, all);
                right.needs(ids, all);
            }
            Self::Negative(inner) => inner.needs(ids, all),
            Self::Call(name, arguments) => {
                *all |= name == "METRICS";
                arguments.iter().for_each(|argument| argument.needs(ids, all));
            }
            Self::List(items) => items.iter().for_each(|item| item.needs(ids, all)),
            Self::Number(_) | Self::Text(_) => {}
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn takes(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest;
        true
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = OPERATORS.get(level) else { return self.one() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(token, _)| self.takes(token)) {
            let right = self.level(level + 1)?;
            left = Expression::Operator(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("its parts are nested more than {DEPTH_MAX} times"));
        }
        let found = self.part();
        self.depth -= 1;
        found
    }

    fn part(&mut self) -> Result<Expression, String> {
        if self.takes("(") {
            let inner = self.level(0)?;
            return if self.takes(")") { Ok(inner) } else { Err("a ) is missing".to_owned()) };
        }
        if self.takes("[") {
            return self.items("]").map(Expression::List);
        }
        if self.takes("-") {
            return Ok(Expression::Negative(Box::new(self.one()?)));
        }
        for quote in ['"', '\''] {
            if self.takes(quote.encode_utf8(&mut [0; 4])) {
                let (text, rest) = self.rest.split_once(quote).ok_or("a closing quote is missing")?;
                self.rest = rest;
                return Ok(Expression::Text(text.to_owned()));
            }
        }
        let end =
            self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return word.parse().map(Expression::Number).map_err(|_| format!("`{word}` is no number"));
        }
        if word.is_empty() {
            return Err(format!("a value is missing at `{rest}`"));
        }
        if self.takes("(") {
            return Ok(Expression::Call(word.to_uppercase(), self.items(")")?));
        }
        // Names of results begin with a small letter; all else are words of functions.
        Ok(if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            Expression::Id(word.to_owned())
        } else {
            Expression::Text(word.to_owned())
        })
    }

    fn items(&mut self, close: &str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        if self.takes(close) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.takes(close) {
                return Ok(items);
            }
            if !self.takes(",") {
                return Err(format!("a {close} is missing"));
            }
        }
    }
}

/// What expressions are worked out with.
pub(super) struct Surroundings<'a> {
    /// Results of queries, by id.
    pub results: &'a BTreeMap<String, Value>,
    /// The ids of queries that are metrics.
    pub metrics: &'a [String],
    /// The length of a period, in seconds.
    pub period: i64,
    /// The begins of all periods that are asked for.
    pub times: &'a [i64],
}

impl Surroundings<'_> {
    /// Works an expression out.
    ///
    /// # Errors
    /// What cannot be worked out, in words.
    pub(super) fn work_out(&self, expression: &Expression) -> Result<Value, String> {
        match expression {
            Expression::Number(number) => Ok(Value::Number(*number)),
            Expression::Id(id) => self.results.get(id).cloned().ok_or_else(|| format!("there is no query `{id}`")),
            Expression::Text(text) => Err(format!("`{text}` is no value")),
            Expression::Negative(inner) => Ok(each(self.work_out(inner)?, |number| -number)),
            Expression::Operator(operator, left, right) => {
                both(self.work_out(left)?, self.work_out(right)?, |left, right| operate(*operator, left, right))
            }
            Expression::List(items) => {
                let mut many = Vec::new();
                for item in items {
                    let label = if let Expression::Id(id) = item { id.clone() } else { String::new() };
                    match self.work_out(item)? {
                        Value::Number(_) => return Err("a list has metrics, not numbers".to_owned()),
                        Value::Points(points) => many.push((label, points)),
                        Value::Many(more) => many.extend(more),
                    }
                }
                Ok(Value::Many(many))
            }
            Expression::Call(name, arguments) => self.call(name, arguments),
        }
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Result<Value, String> {
        let one = || match arguments {
            [one] => self.work_out(one),
            _ => Err(format!("{name} takes one argument")),
        };
        match name {
            "SUM" => Ok(over(one()?, |numbers| numbers.iter().sum())),
            #[expect(clippy::cast_precision_loss, reason = "nobody asks for so many metrics")]
            "AVG" => Ok(over(one()?, |numbers| numbers.iter().sum::<f64>() / numbers.len() as f64)),
            "MIN" => Ok(over(one()?, |numbers| numbers.iter().copied().fold(f64::INFINITY, f64::min))),
            "MAX" => Ok(over(one()?, |numbers| numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))),
            "ABS" => Ok(each(one()?, f64::abs)),
            "CEIL" => Ok(each(one()?, f64::ceil)),
            "FLOOR" => Ok(each(one()?, f64::floor)),
            #[expect(clippy::cast_precision_loss, reason = "periods are short")]
            "PERIOD" => match one()? {
                Value::Points(_) => Ok(Value::Number(self.period as f64)),
                _ => Err("PERIOD takes a metric".to_owned()),
            },
            "DIFF" => Ok(steps(one()?, |_, before, now| now - before)),
            #[expect(clippy::cast_precision_loss, reason = "times between points are short")]
            "RATE" => Ok(steps(one()?, |seconds, before, now| (now - before) / seconds as f64)),
            "RUNNING_SUM" => Ok(running(one()?)),
            "METRICS" => {
                let part = match arguments {
                    [] => "",
                    [Expression::Text(part)] => part,
                    _ => return Err("METRICS takes nothing or a text".to_owned()),
                };
                let mut many = Vec::new();
                for id in self.metrics.iter().filter(|id| id.contains(part)) {
                    if let Some(Value::Points(points)) = self.results.get(id) {
                        many.push((id.clone(), points.clone()));
                    }
                }
                Ok(Value::Many(many))
            }
            "FILL" => {
                let [metric, with] = arguments else {
                    return Err("FILL takes a metric and what it is filled with".to_owned());
                };
                let with = match with {
                    Expression::Text(word) if word == "REPEAT" => None,
                    Expression::Text(word) => return Err(format!("FILL does not know {word} here")),
                    other => match self.work_out(other)? {
                        Value::Number(number) => Some(number),
                        _ => return Err("FILL takes a number or REPEAT".to_owned()),
                    },
                };
                Ok(match self.work_out(metric)? {
                    Value::Points(points) => Value::Points(self.filled(&points, with)),
                    Value::Many(many) => Value::Many(
                        many.into_iter().map(|(label, points)| (label, self.filled(&points, with))).collect(),
                    ),
                    number @ Value::Number(_) => number,
                })
            }
            "IF" => {
                let (condition, yes, no) = match arguments {
                    [condition, yes] => (condition, yes, None),
                    [condition, yes, no] => (condition, yes, Some(no)),
                    _ => return Err("IF takes a condition and one or two values".to_owned()),
                };
                let condition = self.work_out(condition)?;
                let yes = self.work_out(yes)?;
                let no = no.map(|no| self.work_out(no)).transpose()?;
                self.choose(&condition, &yes, no.as_ref())
            }
            _ => Err(format!(
                "standin has no function {name}; it has ABS, AVG, CEIL, DIFF, FILL, FLOOR, IF, MAX, METRICS, MIN, PERIOD, RATE, \
                 RUNNING_SUM and SUM"
            )),
        }
    }

    fn filled(&self, points: &Points, with: Option<f64>) -> Points {
        let (mut filled, mut before) = (points.clone(), None);
        for time in self.times {
            match points.get(time) {
                Some(value) => before = Some(*value),
                None => {
                    if let Some(value) = with.or(before) {
                        filled.insert(*time, value);
                    }
                }
            }
        }
        filled
    }

    fn choose(&self, condition: &Value, yes: &Value, no: Option<&Value>) -> Result<Value, String> {
        let at = |value: &Value, time: i64| match value {
            Value::Number(number) => Ok(Some(*number)),
            Value::Points(points) => Ok(points.get(&time).copied()),
            Value::Many(_) => Err("IF takes single metrics".to_owned()),
        };
        let mut chosen = Points::new();
        for time in self.times {
            let Some(condition) = at(condition, *time)? else { continue };
            let value =
                if condition == 0.0 { no.map(|no| at(no, *time)).transpose()?.flatten() } else { at(yes, *time)? };
            if let Some(value) = value {
                chosen.insert(*time, value);
            }
        }
        Ok(Value::Points(chosen))
    }
}

fn operate(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let truth = |holds: bool| Some(f64::from(u8::from(holds)));
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        // What has no value has no point.
        Operator::Divide => Some(left / right).filter(|value| value.is_finite()),
        Operator::Power => Some(left.powf(right)).filter(|value| value.is_finite()),
        Operator::Equal => truth(left == right),
        Operator::Different => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Or => truth(left != 0.0 || right != 0.0),
    }
}

fn map(points: &Points, change: impl Fn(i64, f64) -> Option<f64>) -> Points {
    points.iter().filter_map(|(time, value)| Some((*time, change(*time, *value)?))).collect()
}

fn each(value: Value, change: impl Fn(f64) -> f64) -> Value {
    match value {
        Value::Number(number) => Value::Number(change(number)),
        Value::Points(points) => Value::Points(map(&points, |_, value| Some(change(value)))),
        Value::Many(many) => Value::Many(
            many.into_iter().map(|(label, points)| (label, map(&points, |_, value| Some(change(value))))).collect(),
        ),
    }
}

/// Two values by the same times.
fn both(left: Value, right: Value, change: impl Fn(f64, f64) -> Option<f64>) -> Result<Value, String> {
    let joined = |left: &Points, right: &Points| map(left, |time, value| change(value, *right.get(&time)?));
    Ok(match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            Value::Number(change(left, right).ok_or("a division by zero has no value")?)
        }
        (Value::Points(left), Value::Number(right)) => Value::Points(map(&left, |_, left| change(left, right))),
        (Value::Number(left), Value::Points(right)) => Value::Points(map(&right, |_, right| change(left, right))),
        (Value::Points(left), Value::Points(right)) => Value::Points(joined(&left, &right)),
        (Value::Many(left), right) => Value::Many(
            left.into_iter()
                .map(|(label, left)| match &right {
                    Value::Number(right) => Ok((label, map(&left, |_, left| change(left, *right)))),
                    Value::Points(right) => Ok((label, joined(&left, right))),
                    Value::Many(_) => Err("two lists of metrics cannot be put together".to_owned()),
                })
                .collect::<Result<_, _>>()?,
        ),
        (left, Value::Many(right)) => Value::Many(
            right
                .into_iter()
                .map(|(label, right)| match &left {
                    Value::Points(left) => (label, joined(left, &right)),
                    Value::Number(left) => (label, map(&right, |_, right| change(*left, right))),
                    Value::Many(_) => (label, right),
                })
                .collect(),
        ),
    })
}

/// Of one metric: all its values as one number. Of several: a metric of what they have at each time.
fn over(value: Value, change: impl Fn(&[f64]) -> f64) -> Value {
    match value {
        Value::Number(number) => Value::Number(number),
        Value::Points(points) if points.is_empty() => Value::Points(points),
        Value::Points(points) => Value::Number(change(&points.into_values().collect::<Vec<_>>())),
        Value::Many(many) => {
            let mut all: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for (time, value) in many.into_iter().flat_map(|(_, points)| points) {
                all.entry(time).or_default().push(value);
            }
            Value::Points(all.into_iter().map(|(time, numbers)| (time, change(&numbers))).collect())
        }
    }
}

/// Each point by the one before it.
fn steps(value: Value, change: impl Fn(i64, f64, f64) -> f64) -> Value {
    let one = |points: &Points| -> Points {
        let pairs = points.iter().zip(points.iter().skip(1));
        pairs.map(|((then, before), (time, now))| (*time, change(time - then, *before, *now))).collect()
    };
    match value {
        Value::Points(points) => Value::Points(one(&points)),
        Value::Many(many) => Value::Many(many.into_iter().map(|(label, points)| (label, one(&points))).collect()),
        number @ Value::Number(_) => number,
    }
}

fn running(value: Value) -> Value {
    let one = |points: Points| -> Points {
        let mut sum = 0.0;
        let mut add = |value: f64| {
            sum += value;
            sum
        };
        points.into_iter().map(|(time, value)| (time, add(value))).collect()
    };
    match value {
        Value::Points(points) => Value::Points(one(points)),
        Value::Many(many) => Value::Many(many.into_iter().map(|(label, points)| (label, one(points))).collect()),
        number @ Value::Number(_) => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(i64, f64)]) -> Points {
        values.iter().copied().collect()
    }

    fn work_out(text: &str) -> Result<Value, String> {
        let results = BTreeMap::from([
            ("m1".to_owned(), Value::Points(points(&[(0, 1.0), (60, 4.0), (180, 10.0)]))),
            ("m2".to_owned(), Value::Points(points(&[(0, 2.0), (60, 0.0)]))),
        ]);
        let metrics = ["m1".to_owned(), "m2".to_owned()];
        let times = [0, 60, 120, 180];
        let around = Surroundings { results: &results, metrics: &metrics, period: 60, times: &times };
        around.work_out(&Expression::parse(text)?)
    }

    fn check(text: &str, expect: &[(i64, f64)]) {
        assert_eq!(work_out(text), Ok(Value::Points(points(expect))), "{text}");
    }

    #[test]
    fn expressions_are_worked_out() {
        check("m1 + m2", &[(0, 3.0), (60, 4.0)]);
        check("m1 / m2", &[(0, 0.5)]);
        check("2 * m1 - 1", &[(0, 1.0), (60, 7.0), (180, 19.0)]);
        check("-(m1 ^ 2)", &[(0, -1.0), (60, -16.0), (180, -100.0)]);
        check("100 * (m1 / SUM(m2))", &[(0, 50.0), (60, 200.0), (180, 500.0)]);
        check("SUM(METRICS())", &[(0, 3.0), (60, 4.0), (180, 10.0)]);
        check("AVG([m1, m2])", &[(0, 1.5), (60, 2.0), (180, 10.0)]);
        check("MAX(METRICS(\"1\"))", &[(0, 1.0), (60, 4.0), (180, 10.0)]);
        check("FILL(m2, 7)", &[(0, 2.0), (60, 0.0), (120, 7.0), (180, 7.0)]);
        check("FILL(m1, REPEAT)", &[(0, 1.0), (60, 4.0), (120, 4.0), (180, 10.0)]);
        check("RATE(m1)", &[(60, 0.05), (180, 0.05)]);
        check("DIFF(m1)", &[(60, 3.0), (180, 6.0)]);
        check("RUNNING_SUM(m1)", &[(0, 1.0), (60, 5.0), (180, 15.0)]);
        check("IF(m1 > 3 && m1 <= 9, m1, 0)", &[(0, 0.0), (60, 4.0), (180, 0.0)]);
        check("m1 > 3", &[(0, 0.0), (60, 1.0), (180, 1.0)]);
        assert_eq!(work_out("1 + 2 * PERIOD(m1)"), Ok(Value::Number(121.0)));
        assert_eq!(work_out("7 - 2 - 1"), Ok(Value::Number(4.0)));
    }

    #[test]
    fn what_cannot_be_worked_out_is_told() {
        let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
        for text in [
            "",
            "m1 +",
            "m3",
            "m1 m2",
            "(m1",
            "SUM(m1, m2)",
            "SEARCH('x', 'y')",
            "1 / 0",
            "METRICS() + METRICS()",
            "1.2.3",
            &deep,
            "é",
        ] {
            assert!(work_out(text).is_err(), "{text}");
        }
    }
}
