//! Texts for a terminal. Names and errors come from the program that is looked at, and may contain anything.

use std::{borrow::Cow, fmt::Write, time::Duration};

/// Returns the text on one line, with each character escaped that a terminal would obey instead of show.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_obeyed(c) {
            true => cleaned.extend(c.escape_default()),
            false => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// Returns JSON with such characters written as escapes of JSON, which mean the same. They stand in strings only, except for
/// line breaks and tabs between values, which stay.
pub(crate) fn clean_json(json: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| is_obeyed(c) && !matches!(c, '\n' | '\r' | '\t');
    if !json.contains(is_obeyed) {
        return Cow::Borrowed(json);
    }
    let mut cleaned = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match is_obeyed(c) {
            // All of them are in the first plane. Writing to a string does not fail.
            true => drop(write!(cleaned, "\\u{:04x}", u32::from(c))),
            false => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// Returns whether a terminal does something with this character other than to show it: a control character, a line break, or a
/// character that changes the direction of the text.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the time of day in UTC of a moment in milliseconds. In a recorded simulation that is the time since it began.
pub(crate) fn clock(at: u64, with_milliseconds: bool) -> String {
    let (seconds, millis) = (at / 1000, at % 1000);
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match with_milliseconds {
        true => format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"),
        false => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Returns a duration in words: `250ms`, `1.2s`, `33s`, `2m 5s`, `3h 4m`, `2d 1h`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.as_millis() == 0 => format!("{}µs", time.as_micros()),
        0 => format!("{}ms", time.as_millis()),
        1..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\rc\nd\u{9b}31me\u{202e}f\u{7f}ü";

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        assert_eq!(clean(HOSTILE), r"a\u{1b}[2Jb\rc\nd\u{9b}31me\u{202e}f\u{7f}ü");
        assert_eq!(clean("plain ü"), "plain ü");
    }

    #[test]
    fn clean_json_means_the_same() {
        // `serde_json` escapes only what the grammar of JSON asks for.
        let json = serde_json::to_string(&[HOSTILE]).expect("a list of texts");
        assert!(json.contains('\u{9b}'));
        let cleaned = clean_json(&json);
        assert!(!cleaned.contains(is_obeyed), "{cleaned:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&cleaned).expect("it is JSON"), [HOSTILE]);
    }

    #[test]
    fn a_duration_has_two_parts_at_most() {
        let of = |seconds| duration(Duration::from_secs_f64(seconds));
        assert_eq!(
            [0.0002, 0.25, 1.25, 33.9, 125.0, 11_045.0, 180_000.0].map(of),
            ["200µs", "250ms", "1.2s", "33s", "2m 5s", "3h 4m", "2d 2h"]
        );
    }

    #[test]
    fn a_moment_is_shown_as_a_time_of_day() {
        assert_eq!(clock(1_764_152_400_123, false), "10:20:00");
        assert_eq!(clock(61_005, true), "00:01:01.005");
    }
}
