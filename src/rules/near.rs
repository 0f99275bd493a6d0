//! What may have been meant by a misspelt word; the configuration asks it too.

pub(crate) fn did_you_mean(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!(" (did you mean `{near}'?)"))
}

/// The name (in small letters) nearest to a misspelt word, if one is near at all. Of several equally
/// near, the one that begins most like the word.
pub(crate) fn suggest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let near = (word.len() / 3).clamp(1, 3);
    let rated = names.filter_map(|name| {
        // First what costs nothing: a file of nonsense asks this very often.
        let like = name.len().abs_diff(word.len()) <= near;
        let distance = like.then(|| distance(word.as_bytes(), name.as_bytes()))?;
        let both = word.bytes().zip(name.bytes());
        let alike = both.take_while(|(a, b)| a == b).count();
        let close = distance <= near && distance < name.len();
        close.then_some((distance, usize::MAX - alike, name))
    });
    let nearest = rated.min_by_key(|(distance, unlike, _)| (*distance, *unlike));
    nearest.map(|(_, _, name)| name)
}

/// How many letters are added, left out, changed or swapped with their neighbour.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_x = None;
    for (i, x) in a.iter().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
        let mut last_y = None;
        for (j, y) in b.iter().enumerate() {
            left = (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(left + 1);
            if last_x == Some(y) && last_y == Some(x) {
                left = left.min(at(&before, j.wrapping_sub(1)) + 1);
            }
            row.push(left);
            last_y = Some(y);
        }
        before = std::mem::replace(&mut above, row);
        last_x = Some(x);
    }
    at(&above, b.len())
}
