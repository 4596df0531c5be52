//! RESP2, the protocol of Redis clients: commands are read, replies are written.
//!
//! A command is read where it lies in the input, and borrows its arguments from there. A length is compared with the
//! limits as soon as it is read, so a header that announces a gigabyte is refused, and nothing is allocated for it. The log
//! has the same format.

use std::io::Write;

use arrayvec::ArrayVec;
use thiserror::Error;

/// The largest number of arguments of a command, its name included.
pub const MAX_ARGUMENTS: usize = 64;
/// The longest number in a header: a sign, and the digits of an `i64`.
const MAX_DIGITS: usize = 20;

/// The arguments of a command. The first one is its name. Empty for an empty line, which is no command.
pub type Arguments<'a> = ArrayVec<&'a [u8], MAX_ARGUMENTS>;

/// What a client has sent that is no command. The connection is closed, because the next command cannot be found.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// A header has no number.
    #[error("invalid length")]
    InvalidLength,
    /// The command is longer than the limit.
    #[error("a command may have {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The command has more than [`MAX_ARGUMENTS`].
    #[error("a command may have {MAX_ARGUMENTS} arguments")]
    TooManyArguments,
    /// Something else stands where this mark should be.
    #[error("expected '{}'", char::from(*.mark))]
    Expected {
        /// The mark.
        mark: u8,
    },
}

/// Parses the first command of the input. Returns its arguments and its length, or `None` as long as it is incomplete.
///
/// # Errors
///
/// See [`ProtocolError`]. Nothing after an error can be parsed.
pub fn parse(input: &[u8], limit: usize) -> Result<Option<(Arguments<'_>, usize)>, ProtocolError> {
    match input.first() {
        None => Ok(None),
        Some(b'*') => parse_array(input, limit),
        Some(_) => parse_line(input, limit),
    }
}

fn parse_array(input: &[u8], limit: usize) -> Result<Option<(Arguments<'_>, usize)>, ProtocolError> {
    let Some((count, mut at)) = parse_header(input, 0, b'*')? else { return Ok(None) };
    if count > MAX_ARGUMENTS as i64 {
        return Err(ProtocolError::TooManyArguments);
    }
    let mut arguments = Arguments::new();
    for _ in 0..count {
        let Some((length, begin)) = parse_header(input, at, b'$')? else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| ProtocolError::InvalidLength)?;
        // Before there is any room for it.
        if length > limit || begin + length + 2 > limit {
            return Err(ProtocolError::TooLong { limit });
        }
        let Some(argument) = input.get(begin..begin + length) else { return Ok(None) };
        let Some(end) = input.get(begin + length..begin + length + 2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(ProtocolError::Expected { mark: b'\r' });
        }
        arguments.push(argument);
        at = begin + length + 2;
    }
    Ok(Some((arguments, at)))
}

/// Parses a mark and a number. Returns the number and where the next line begins.
fn parse_header(input: &[u8], at: usize, mark: u8) -> Result<Option<(i64, usize)>, ProtocolError> {
    let Some((&found, rest)) = input[at..].split_first() else { return Ok(None) };
    if found != mark {
        return Err(ProtocolError::Expected { mark });
    }
    let longest = &rest[..rest.len().min(MAX_DIGITS + 2)];
    match longest.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let digits = longest[..end].strip_suffix(b"\r").ok_or(ProtocolError::InvalidLength)?;
            Ok(Some((parse_integer(digits).ok_or(ProtocolError::InvalidLength)?, at + 1 + end + 1)))
        }
        None if longest.len() < MAX_DIGITS + 2 => Ok(None),
        None => Err(ProtocolError::InvalidLength),
    }
}

/// Parses a command as people type it: words on a line.
fn parse_line(input: &[u8], limit: usize) -> Result<Option<(Arguments<'_>, usize)>, ProtocolError> {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return if input.len() < limit { Ok(None) } else { Err(ProtocolError::TooLong { limit }) };
    };
    let mut arguments = Arguments::new();
    for word in input[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        arguments.try_push(word).map_err(|_| ProtocolError::TooManyArguments)?;
    }
    Ok(Some((arguments, end + 1)))
}

/// Parses a decimal number.
pub fn parse_integer(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Writes a reply that is one word, such as `OK`.
pub fn write_simple(out: &mut Vec<u8>, text: &str) {
    write(out, format_args!("+{text}\r\n"));
}

/// Writes an error. Clients show its text.
pub fn write_error(out: &mut Vec<u8>, text: impl std::fmt::Display) {
    write(out, format_args!("-ERR {text}\r\n"));
}

/// Writes a number.
pub fn write_integer(out: &mut Vec<u8>, number: i64) {
    write(out, format_args!(":{number}\r\n"));
}

/// Writes bytes.
pub fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, format_args!("${}\r\n", bytes.len()));
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Writes that there is no value.
pub fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

/// Writes the head of an array. Its items follow.
pub fn write_array(out: &mut Vec<u8>, length: usize) {
    write(out, format_args!("*{length}\r\n"));
}

/// Writes a command, as clients do. The log consists of these.
pub fn write_command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    write_array(out, arguments.len());
    for argument in arguments {
        write_bulk(out, argument);
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1024;

    fn words(input: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
        parse(input, LIMIT).unwrap().map(|(arguments, length)| (arguments.to_vec(), length))
    }

    #[test]
    fn a_command_is_found_with_what_follows_it() {
        let input = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(words(input), Some((vec![&b"GET"[..], b"a\r\nb"], 23)));
        assert_eq!(words(&input[23..]), Some((vec![&b"PING"[..]], 14)));
        assert_eq!(words(b"set  key value\r\nPING\r\n"), Some((vec![&b"set"[..], b"key", b"value"], 16)));
        assert_eq!(words(b"*0\r\n"), Some((vec![], 4)));
    }

    #[test]
    fn each_beginning_of_a_command_is_incomplete() {
        let input = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$0\r\n\r\n";
        for end in 0..input.len() {
            assert_eq!(parse(&input[..end], LIMIT), Ok(None), "{end} bytes");
        }
        assert_eq!(words(input).unwrap().1, input.len());
    }

    #[test]
    fn lengths_are_refused_before_their_bytes_come() {
        let parse = |input| parse(input, LIMIT).unwrap_err();
        assert_eq!(parse(b"*1\r\n$1073741824\r\n"), ProtocolError::TooLong { limit: LIMIT });
        assert_eq!(parse(b"*1\r\n$9223372036854775807\r\n"), ProtocolError::TooLong { limit: LIMIT });
        assert_eq!(parse(b"*1\r\n$1015\r\n"), ProtocolError::TooLong { limit: LIMIT });
        assert_eq!(parse(b"*65\r\n"), ProtocolError::TooManyArguments);
        assert_eq!(parse(b"*1000000000\r\n"), ProtocolError::TooManyArguments);
        assert_eq!(parse(&[b'x'; LIMIT]), ProtocolError::TooLong { limit: LIMIT });
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let parse = |input| parse(input, LIMIT).unwrap_err();
        assert_eq!(parse(b"*x\r\n"), ProtocolError::InvalidLength);
        assert_eq!(parse(b"*1\n"), ProtocolError::InvalidLength);
        assert_eq!(parse(b"*111111111111111111111111"), ProtocolError::InvalidLength);
        assert_eq!(parse(b"*1\r\n$-1\r\n"), ProtocolError::InvalidLength);
        assert_eq!(parse(b"*1\r\n:1\r\n"), ProtocolError::Expected { mark: b'$' });
        assert_eq!(parse(b"*1\r\n$1\r\nxyz"), ProtocolError::Expected { mark: b'\r' });
    }

    #[test]
    fn what_is_written_is_parsed() {
        let mut out = Vec::new();
        write_command(&mut out, &[b"SET", b"key", b"a\r\nvalue"]);
        assert_eq!(words(&out), Some((vec![&b"SET"[..], b"key", b"a\r\nvalue"], out.len())));
    }
}
