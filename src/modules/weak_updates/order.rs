//! The order of releases that RPM has: runs of digits as numbers, runs of letters as text (`rpmvercmp`).

use std::cmp::Ordering;

/// Compares two releases; the newer is greater.
#[must_use]
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        a = a.trim_start_matches(separates);
        b = b.trim_start_matches(separates);
        // A tilde is older than the end, a caret newer than the end and older than anything else.
        match (a.strip_prefix('~'), b.strip_prefix('~')) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (a.strip_prefix('^'), b.strip_prefix('^')) {
            (Some(x), Some(y)) => {
                (a, b) = (x, y);
                continue;
            }
            (Some(_), None) if b.is_empty() => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) if a.is_empty() => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if a.is_empty() || b.is_empty() {
            return b
                .is_empty()
                .cmp(&a.is_empty())
                .then_with(|| a.len().cmp(&b.len()));
        }
        let digits = a.starts_with(|c: char| c.is_ascii_digit());
        let (x, rest_a) = run(a, digits);
        let (y, rest_b) = run(b, digits);
        if y.is_empty() {
            // A number is newer than letters.
            return if digits {
                Ordering::Greater
            } else {
                Ordering::Less
            };
        }
        let order = if digits {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

fn separates(c: char) -> bool {
    !c.is_ascii_alphanumeric() && c != '~' && c != '^'
}

/// The digits, or letters, at the start, and the rest.
fn run(text: &str, digits: bool) -> (&str, &str) {
    let belongs = |c: char| {
        if digits {
            c.is_ascii_digit()
        } else {
            c.is_ascii_alphabetic()
        }
    };
    let end = text.find(|c: char| !belongs(c)).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs as RPM orders them.
    #[test]
    fn releases_are_ordered() {
        for (older, newer) in [
            ("3.10.0-327.el7.x86_64", "3.10.0-514.el7.x86_64"),
            ("5.14.0-70.13.1.el9_0", "5.14.0-70.22.1.el9_0"),
            ("4.18.0-80.el8", "4.18.0-147.el8"),
            ("1.0", "1.0.1"),
            ("1.0~rc1", "1.0"),
            ("1.0", "1.0^git1"),
            ("1.0a", "1.0.1"),
            ("6.1.0-9-amd64", "6.1.0-10-amd64"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        assert_eq!(compare("1.01", "1.1"), Ordering::Equal);
    }
}
