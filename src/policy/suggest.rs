//! The known word that a mistyped one was meant to be.

/// The known word that is nearest to an unknown one, if one is near.
///
/// Near are words within a third of the length (rounded to the nearest) in single-character edits (at least one, at most three).
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(65).collect();
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.len().saturating_add(1) / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|other| (distance(&word, other), other))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, other)| other)
}

/// `; did you mean `x`?` or nothing.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Levenshtein distance, by rows.
fn distance(word: &[char], other: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (line, theirs) in other.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (slot, ours) in row.iter_mut().skip(1).zip(word) {
            let changed = diagonal + usize::from(*ours != theirs);
            diagonal = *slot;
            left = changed.min(left + 1).min(*slot + 1);
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slip of the fingers finds its word, another word finds none.
    #[test]
    fn near_words() {
        let known = ["error", "warning", "notice", "ignore"];
        assert_eq!(nearest("eror", known), Some("error"));
        assert_eq!(nearest("warn1ng", known), Some("warning"));
        assert_eq!(nearest("fatal", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1_000), known), None);
        assert_eq!(did_you_mean("notise", known), "; did you mean `notice`?");
    }
}
