//! Secrets in lines of output.

/// What stands for a secret.
pub const STARS: &str = "***";
/// Shorter ones would hide half of every line.
const CHARS_MIN: usize = 3;

/// What no line may show; one that has several lines is looked for line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// The longest first, so that one that holds another is hidden as a whole.
    secrets: Vec<String>,
}

impl Mask {
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s String>) -> Self {
        let mut secrets: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| secret.lines())
            .map(str::trim)
            .filter(|line| line.chars().count() >= CHARS_MIN)
            .map(str::to_owned)
            .collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// A line without secrets.
    pub fn hide(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for secret in self.secrets.iter().filter(|secret| !STARS.contains(secret.as_str())) {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), STARS);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secrets: &[&str], line: &str, expect: &str) {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        assert_eq!(Mask::new(&secrets).hide(line), expect);
    }

    #[test]
    fn secrets_are_hidden() {
        check(&["swordfish"], "a swordfish and a swordfish", "a *** and a ***");
        check(&["sword", "swordfish"], "swordfish", "***");
        check(&["-- BEGIN\nabcdef\n"], "x abcdef", "x ***");
        check(&["", "a", "***"], "a banana ***", "a banana ***");
    }
}
