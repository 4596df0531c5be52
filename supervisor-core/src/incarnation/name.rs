use std::borrow::Cow;

/// One segment of a dotted name.
///
/// Everything but letters, digits and `_` becomes `_`, and so do invisible letters; runs of `_` collapse, and both ends
/// are trimmed. A name that would become empty is kept as it was given, for the error that refuses it: so a name
/// without a letter or a digit is invalid.
///
/// The size is two words: the length of an owned name is on the heap, with the text.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Static(&'static str),
    Owned(Box<Box<str>>),
}

const _: () = assert!(size_of::<Name>() == 2 * size_of::<usize>());

impl Name {
    pub(crate) fn new(raw: impl Into<Cow<'static, str>>) -> Self {
        let raw = raw.into();
        if is_clean(&raw) {
            return Self::kept(raw);
        }
        let words = raw.split(|c: char| !is_kept(c)).filter(|word| !word.is_empty());
        let clean = words.collect::<Vec<_>>().join("_");
        Self::kept(if clean.is_empty() { raw } else { Cow::Owned(clean) })
    }

    fn kept(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Self::Static(name),
            Cow::Owned(name) => Self::Owned(Box::new(name.into())),
        }
    }

    pub(crate) fn is_valid(&self) -> bool {
        let name = self.as_str();
        // Most names begin so, and a look at a byte is a third of the work.
        name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase()) || name.chars().any(is_kept)
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(name) => name,
            Self::Owned(name) => name,
        }
    }
}

/// Returns a dotted name as processes have it: each segment is cleaned.
pub fn dotted(path: &str) -> String {
    path.split('.').map(|segment| Name::new(segment.to_owned()).as_str().to_owned()).collect::<Vec<_>>().join(".")
}

/// Returns whether a character is a visible letter or a digit. The fillers of Hangul are letters by name, but
/// invisible.
fn is_kept(c: char) -> bool {
    c.is_alphanumeric() && !matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

#[inline]
fn is_clean(raw: &str) -> bool {
    // Most names are one word in small letters. As bytes, they cost a start of a child a third of what they cost as characters.
    (!raw.is_empty() && raw.bytes().all(|byte| byte.is_ascii_lowercase())) || consists_of_clean_words(raw)
}

fn consists_of_clean_words(raw: &str) -> bool {
    let mut before = '_';
    for c in raw.chars() {
        if !(is_kept(c) || c == '_' && before != '_') {
            return false;
        }
        before = c;
    }
    before != '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn cleans(raw: &'static str, expected: &str) {
        let name = Name::new(raw);
        assert_eq!(name.as_str(), expected);
        assert!(name.is_valid());
    }

    #[test]
    fn other_characters_are_replaced_and_runs_collapse() {
        cleans("listener", "listener");
        cleans("http-server", "http_server");
        cleans("a..b//c", "a_b_c");
        cleans("a__b", "a_b");
        cleans("_private_", "private");
        cleans(" 7 ", "7");
        cleans("Füller-ß", "Füller_ß");
        cleans("שרת", "שרת");
        cleans("a\u{202e}b\u{200b}c\u{3164}d\u{1b}[2J", "a_b_c_d_2J");
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_invalid_and_kept_as_given() {
        for raw in ["", "_", "...", " - ", "\u{3164}"] {
            let name = Name::new(raw);
            assert!(!name.is_valid());
            assert_eq!(name.as_str(), raw);
        }
    }

    #[test]
    fn a_dotted_name_is_cleaned_segment_by_segment() {
        assert_eq!(dotted("root.http-server. a b "), "root.http_server.a_b");
        assert_eq!(dotted("root"), "root");
        assert_eq!(dotted("root..x"), "root..x");
    }

    #[test]
    fn a_clean_static_name_costs_no_allocation() {
        assert!(matches!(Name::new("listener"), Name::Static(_)));
    }
}
