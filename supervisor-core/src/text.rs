//! Texts for people: on one line, of a bearable length, and with words for what has no limit.
//!
//! What user code says (the message of a panic, an error) goes to terminals and logs. It may hold anything: line breaks, which
//! would look like lines of ours; sequences that have a terminal do something; megabytes.

use std::{
    fmt::{self, Write},
    time::Duration,
};

/// So many characters of a text are shown on one line.
pub(crate) const LONGEST: usize = 1000;

/// Shows a text on one line: what a terminal would obey is escaped, and what is longer than [`LONGEST`] characters is cut, with
/// a word for how much that was.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(f, is_obeyed, &self.0)
    }
}

/// Shows a text as it is, and cuts it as [`OneLine`] does: for programs, which read what they get.
pub(crate) struct Cut<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Cut<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cut(f, |_| false, &self.0)
    }
}

/// Shows the first of a text's lines, on one line, and that there are more.
pub(crate) struct FirstLine<'a>(pub(crate) &'a str);

impl fmt::Display for FirstLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim_end();
        match text.split_once('\n') {
            Some((first, _)) => write!(f, "{} …", OneLine(first.trim_end())),
            None => OneLine(text).fmt(f),
        }
    }
}

/// Shows a text whole, and on one line.
pub(crate) struct Whole<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Whole<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Line { out: f, is_obeyed, left: usize::MAX, cut: 0 }, "{}", self.0)
    }
}

/// Shows a text whole, with its lines: only what a terminal would obey otherwise is escaped.
pub(crate) struct Lines<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_obeyed = |c: char| is_obeyed(c) && !matches!(c, '\n' | '\t');
        write!(Line { out: f, is_obeyed, left: usize::MAX, cut: 0 }, "{}", self.0)
    }
}

fn cut(f: &mut fmt::Formatter<'_>, is_obeyed: fn(char) -> bool, text: &dyn fmt::Display) -> fmt::Result {
    let mut line = Line { out: f, is_obeyed, left: LONGEST, cut: 0 };
    write!(line, "{text}")?;
    match line.cut {
        0 => Ok(()),
        1 => f.write_str("… (1 more character)"),
        cut => write!(f, "… ({cut} more characters)"),
    }
}

struct Line<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    is_obeyed: fn(char) -> bool,
    /// How many characters there is room for.
    left: usize,
    /// How many there was none for.
    cut: usize,
}

impl Write for Line<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (mut rest, mut plain) = (text.char_indices(), 0);
        while self.left > 0 {
            let Some((at, c)) = rest.next() else { return self.out.write_str(&text[plain..]) };
            self.left -= 1;
            if (self.is_obeyed)(c) {
                self.out.write_str(&text[plain..at])?;
                write!(self.out, "{}", c.escape_default())?;
                plain = at + c.len_utf8();
            }
        }
        self.cut += rest.as_str().chars().count();
        self.out.write_str(&text[plain..text.len() - rest.as_str().len()])
    }
}

/// Whether a terminal, or whatever breaks text into lines, does something else with it than to show it: a control character, or
/// one that turns the direction of what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// So many restarts in so long a time, or without the limit that is none.
pub(crate) struct Restarts {
    pub(crate) intensity: usize,
    pub(crate) period: Duration,
}

impl fmt::Display for Restarts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.intensity {
            usize::MAX => return f.write_str("restarts without limit"),
            1 => f.write_str("1 restart")?,
            intensity => write!(f, "{intensity} restarts")?,
        }
        match self.period {
            Duration::MAX => f.write_str(" in all"),
            period => write!(f, " in {period:?}"),
        }
    }
}

/// A time as people say it, rounded down: `<1ms`, `124ms`, `3.2s`, `30s`, `4m 10s`, `2h 5m`, `3d 4h`.
pub(crate) struct Rounded(pub(crate) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        let (large, unit, small, small_unit) = match seconds {
            0 if millis == 0 => return f.write_str("<1ms"),
            0 => return write!(f, "{millis}ms"),
            1..10 if millis >= 100 => return write!(f, "{seconds}.{}s", millis / 100),
            1..60 => return write!(f, "{seconds}s"),
            60..3600 => (seconds / 60, "m", seconds % 60, "s"),
            3600..86_400 => (seconds / 3600, "h", seconds / 60 % 60, "m"),
            _ => (seconds / 86_400, "d", seconds / 3600 % 24, "h"),
        };
        match small {
            0 => write!(f, "{large}{unit}"),
            _ => write!(f, "{large}{unit} {small}{small_unit}"),
        }
    }
}

/// `None` for a time without limit.
pub(crate) fn limit(time: Duration) -> Option<Duration> {
    (time != Duration::MAX).then_some(time)
}

/// A time, for those who debug.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match limit(self.0) {
            Some(time) => time.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

/// A number, for those who debug.
pub(crate) struct Number(pub(crate) usize);

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            usize::MAX => f.write_str("unlimited"),
            number => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let text = "a\u{1b}[2Jb\rc\nd\te\u{202e}f\u{85}ü\\";
        assert_eq!(OneLine(text).to_string(), r"a\u{1b}[2Jb\rc\nd\te\u{202e}f\u{85}ü\");
        assert_eq!(Whole(text).to_string(), OneLine(text).to_string());
        assert_eq!(Lines(text).to_string(), "a\\u{1b}[2Jb\\rc\nd\te\\u{202e}f\\u{85}ü\\");
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_tells_by_how_much() {
        let of = |length: usize| OneLine("ü".repeat(length)).to_string();
        assert_eq!(of(LONGEST), "ü".repeat(LONGEST));
        assert_eq!(of(LONGEST + 1), "ü".repeat(LONGEST) + "… (1 more character)");
        assert_eq!(of(1_000_000), "ü".repeat(LONGEST) + "… (999000 more characters)");
        // Also where it comes in pieces.
        let pieces = OneLine(format_args!("{}{}{}", "x".repeat(999), "\n", "yz")).to_string();
        assert_eq!(pieces, "x".repeat(999) + "\\n… (2 more characters)");
        assert_eq!(Whole("x".repeat(2000)).to_string().len(), 2000);
        assert_eq!(Cut("x\n".repeat(501)).to_string(), "x\n".repeat(500) + "… (2 more characters)");
    }

    #[test]
    fn of_several_lines_the_first_is_shown_and_that_there_are_more() {
        let of = |text: &str| FirstLine(text).to_string();
        assert_eq!(["boom", "boom\n", "boom\r\nat a", "a\rb"].map(of), ["boom", "boom", "boom …", "a\\rb"]);
    }

    #[test]
    fn a_time_is_rounded_to_what_people_say() {
        let of = |millis| Rounded(Duration::from_millis(millis)).to_string();
        assert_eq!(Rounded(Duration::from_micros(999)).to_string(), "<1ms");
        assert_eq!([1, 124, 999].map(of), ["1ms", "124ms", "999ms"]);
        assert_eq!([1000, 1099, 3250, 9999].map(of), ["1s", "1s", "3.2s", "9.9s"]);
        assert_eq!([10_900, 59_999].map(of), ["10s", "59s"]);
        assert_eq!([60, 250, 3599].map(|seconds| of(seconds * 1000)), ["1m", "4m 10s", "59m 59s"]);
        assert_eq!([3600, 7500, 86_399].map(|seconds| of(seconds * 1000)), ["1h", "2h 5m", "23h 59m"]);
        assert_eq!([86_400, 273_600].map(|seconds| of(seconds * 1000)), ["1d", "3d 4h"]);
    }

    #[test]
    fn no_limit_is_called_no_limit() {
        let of = |intensity, period| Restarts { intensity, period }.to_string();
        let minute = Duration::from_secs(60);
        assert_eq!(of(1, minute), "1 restart in 60s");
        assert_eq!(of(3, Duration::MAX), "3 restarts in all");
        assert_eq!(of(usize::MAX, minute), "restarts without limit");
        assert_eq!(of(usize::MAX, Duration::MAX), "restarts without limit");
    }
}
