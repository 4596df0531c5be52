use unicode_width::UnicodeWidthChar;

/// How wide the lines of a text may be, in columns of a terminal, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) first: usize,
    pub(super) others: usize,
    pub(super) lines: usize,
}

/// Breaks a text into lines, between words where that is possible. Where there are too many, the last one ends with `…`.
pub(super) fn wrap(text: &str, room: Room) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text);
    loop {
        let columns = if lines.is_empty() { room.first } else { room.others };
        let end = fitting(rest, columns);
        if end == rest.len() {
            lines.push(rest.to_owned());
            return lines;
        }
        if lines.len() + 1 >= room.lines {
            let kept = &rest[..fitting(rest, columns.saturating_sub(1))];
            lines.push(format!("{}…", kept.trim_end_matches(' ')));
            return lines;
        }
        let is_between_words = rest[end..].starts_with(' ');
        let at = if is_between_words { end } else { rest[..end].rfind(' ').filter(|at| *at > 0).unwrap_or(end) };
        lines.push(rest[..at].trim_end_matches(' ').to_owned());
        rest = rest[at..].trim_start_matches(' ');
    }
}

/// How many bytes of a text fit into so many columns: at least one character, so that wrapping comes to an end.
fn fitting(text: &str, columns: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, first: usize, others: usize, lines: usize) -> Vec<String> {
        wrap(text, Room { first, others, lines })
    }

    #[test]
    fn a_line_breaks_between_words() {
        assert_eq!(wrapped("", 5, 5, 9), [""]);
        assert_eq!(wrapped("one two three four", 9, 7, 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("one two", 3, 3, 9), ["one", "two"]);
        assert_eq!(wrapped("a  b c", 4, 4, 9), ["a  b", "c"]);
    }

    #[test]
    fn a_word_that_is_too_long_breaks_in_the_middle() {
        assert_eq!(wrapped("abcdefgh", 3, 5, 9), ["abc", "defgh"]);
        assert_eq!(wrapped(" abcdef", 3, 3, 9), [" ab", "cde", "f"]);
        assert_eq!(wrapped("abc", 0, 0, 9), ["a", "b", "c"], "a character for each line at least");
    }

    #[test]
    fn too_many_lines_are_cut() {
        assert_eq!(wrapped("one two three", 3, 3, 2), ["one", "tw…"]);
        assert_eq!(wrapped("one two three", 4, 9, 2), ["one", "two three"]);
        assert_eq!(wrapped("one two three", 5, 5, 1), ["one…"]);
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        assert_eq!(wrapped("数据库连接", 4, 5, 9), ["数据", "库连", "接"]);
        assert_eq!(wrapped("e\u{301}e\u{301}e", 2, 2, 9), ["e\u{301}e\u{301}", "e"]);
    }
}
