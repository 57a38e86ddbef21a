//! What was perhaps meant: the known name nearest to an unknown one.

use super::Field;

/// The field whose name is at most two letters away.
pub fn field(name: &str) -> Option<&'static str> {
    nearest(name, Field::NAMES.iter().map(|(known, _)| *known))
}

/// The one of these that is at most two letters away.
pub fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_ascii_lowercase();
    let distances = known.map(|known| (distance(&name, known), known));
    distances.filter(|(d, known)| *d <= 2 && *d < known.len()).min().map(|(_, known)| known)
}

/// Letters to insert, remove, change or swap with the neighbour. For short names only.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().collect());
    let width = b.len().saturating_add(1);
    let mut rows: Vec<Vec<usize>> = vec![(0..width).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i.saturating_add(1)];
        for (j, y) in b.iter().enumerate() {
            let at = |back: usize, column: usize| -> usize {
                let line = rows.len().checked_sub(back).and_then(|n| rows.get(n));
                line.and_then(|line| line.get(column)).copied().unwrap_or(usize::MAX)
            };
            let change = at(1, j).saturating_add(usize::from(x != y));
            let remove = at(1, j.saturating_add(1)).saturating_add(1);
            let insert = row.last().copied().unwrap_or(usize::MAX).saturating_add(1);
            let before = |list: &[char], n: usize| n.checked_sub(1).and_then(|n| list.get(n)).copied();
            let crossed = before(&a, i) == Some(*y) && before(&b, j) == Some(*x);
            let swap = match j.checked_sub(1) {
                Some(column) if crossed => at(2, column).saturating_add(1),
                _ => usize::MAX,
            };
            row.push(change.min(remove).min(insert).min(swap));
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested() {
        assert_eq!(field("form"), Some("from"));
        assert_eq!(field("Subjct"), Some("subject"));
        assert_eq!(field("foldr"), Some("folder"));
        assert_eq!(field("befor"), Some("before"));
        assert_eq!(field("whatever"), None);
    }
}
