//! Floor 0. Octets, eight at a time: what is asked of every head and every event, thousands of times a second.

/// Whether two texts are the same but for the case of ASCII letters, as `eq_ignore_ascii_case` says: faster for
/// texts as long as names of fields mostly are.
#[inline]
pub fn same_but_case(one: &[u8], two: &[u8]) -> bool {
    if one.len() != two.len() {
        return false;
    }
    match (one.first_chunk(), one.last_chunk(), two.first_chunk(), two.last_chunk()) {
        // Both words together are all of it.
        (Some(a), Some(b), Some(c), Some(d)) if one.len() <= 16 => {
            same_word(word(a), word(c)) && same_word(word(b), word(d))
        }
        _ => one.eq_ignore_ascii_case(two),
    }
}

/// Whether a text stands in JSON as it is: no quote, no backslash, no control character.
#[inline]
pub fn needs_no_escape(text: &[u8]) -> bool {
    let plain =
        |word: u64| !(any_below(word, b' ') || any_below(word ^ each(b'"'), 1) || any_below(word ^ each(b'\\'), 1));
    let (words, rest) = words(text);
    words.iter().all(|octets| plain(word(octets))) && plain(rest)
}

/// A text's whole words, and its end as one more: the last eight octets, or fewer, with spaces before them.
fn words(text: &[u8]) -> (&[[u8; 8]], u64) {
    let (words, rest) = text.as_chunks();
    let end = match text.last_chunk() {
        Some(last) => word(last),
        None => rest.iter().fold(each(b' '), |word, octet| word << 8 | u64::from(*octet)),
    };
    (words, end)
}

fn word(octets: &[u8; 8]) -> u64 {
    u64::from_ne_bytes(*octets)
}

/// Eight times the same octet.
const fn each(octet: u8) -> u64 {
    u64::from_ne_bytes([octet; 8])
}

/// Whether two words are the same but for the case of ASCII letters, which is one bit of each.
fn same_word(one: u64, two: u64) -> bool {
    let differ = one ^ two;
    differ == 0 || (differ & !each(0x20) == 0 && (differ << 2) & !letters(one) == 0)
}

/// The top bit of each octet that is an ASCII letter. Sums stay within their octets: both terms are below 128.
const fn letters(word: u64) -> u64 {
    let small = (word | each(0x20)) & each(0x7f);
    let (from_a, after_z) = (small + each(0x80 - b'a'), small + each(0x7f - b'z'));
    from_a & !after_z & !word & each(0x80)
}

/// Whether one of eight octets is below a number, at most 128: only then it borrows without having its own top bit set.
const fn any_below(word: u64, number: u8) -> bool {
    word.wrapping_sub(each(number)) & !word & each(0x80) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_pair_of_octets_is_the_same_or_not_wherever_it_is() {
        for (a, b) in (0..=255_u8).flat_map(|a| (0..=255_u8).map(move |b| (a, b))) {
            for (before, after) in [(0, 0), (0, 5), (6, 1), (7, 0), (8, 0), (3, 9), (9, 6), (12, 9)] {
                let text = |octet| [vec![b'x'; before], vec![octet], vec![b'-'; after]].concat();
                let (one, two) = (text(a), text(b));
                assert_eq!(same_but_case(&one, &two), one.eq_ignore_ascii_case(&two), "{one:?} {two:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn texts_are_the_same_or_not(one in "[a-cA-C^~-]{0,20}", two in "[a-cA-C^~-]{0,20}") {
            prop_assert_eq!(same_but_case(one.as_bytes(), two.as_bytes()), one.eq_ignore_ascii_case(&two));
            let other = one.to_ascii_uppercase();
            prop_assert!(same_but_case(one.as_bytes(), other.as_bytes()));
        }

        #[test]
        fn a_text_needs_an_escape_or_not(octets in proptest::collection::vec(any::<u8>(), 0..20)) {
            let plain = |b: &u8| *b >= b' ' && *b != b'"' && *b != b'\\';
            prop_assert_eq!(needs_no_escape(&octets), octets.iter().all(plain));
            let text: Vec<u8> = octets.into_iter().filter(plain).collect();
            prop_assert!(needs_no_escape(&text));
        }
    }
}
