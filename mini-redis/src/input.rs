//! What a client has sent and the server has not used yet.

use crate::protocol::{Arguments, ProtocolError, parse};

/// The room of a new connection.
const SMALL: usize = 4 * 1024;
/// More room than this is given back when the input has been used.
const LARGE: usize = 64 * 1024;

/// A buffer that grows with what has come, up to a limit, and not with what is announced.
#[derive(Debug)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
}

impl Input {
    /// Creates an empty buffer that grows to this many bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: vec![0; SMALL.min(limit)], start: 0, end: 0, limit }
    }

    /// Returns what has come and was not used.
    pub fn unused(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes the first command. Returns `None` as long as it is incomplete.
    ///
    /// # Errors
    ///
    /// What comes next is no command.
    pub fn command(&mut self) -> Result<Option<Arguments<'_>>, ProtocolError> {
        let Some((arguments, length)) = parse(&self.bytes[self.start..self.end], self.limit)? else { return Ok(None) };
        self.start += length;
        Ok(Some(arguments))
    }

    /// Returns whether [`command`](Self::command) would wait for more.
    pub fn is_incomplete(&self) -> bool {
        matches!(parse(self.unused(), self.limit), Ok(None))
    }

    /// Returns room for what comes next. It is empty only if the buffer is full up to its limit.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > LARGE {
                self.bytes = vec![0; SMALL];
            }
        }
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                let larger = (2 * self.bytes.len()).min(self.limit);
                self.bytes.resize(larger, 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// Adds what was read into the [`room`](Self::room).
    pub fn add(&mut self, count: usize) {
        self.end += count;
        debug_assert!(self.end <= self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(input: &mut Input, bytes: &[u8]) {
        let room = input.room();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        input.add(count);
    }

    #[test]
    fn what_is_not_used_stays() {
        let mut input = Input::new(20);
        push(&mut input, b"PING\nECHO one\nECHO t");
        assert!(input.room().is_empty());
        assert_eq!(input.command().unwrap().unwrap().as_slice(), [b"PING"]);
        assert_eq!(input.command().unwrap().unwrap().as_slice(), [&b"ECHO"[..], b"one"]);
        assert!(input.is_incomplete() && input.command() == Ok(None));
        push(&mut input, b"wo\n");
        assert!(!input.is_incomplete());
        assert_eq!(input.command().unwrap().unwrap().as_slice(), [&b"ECHO"[..], b"two"]);
    }

    #[test]
    fn room_is_doubled_and_given_back() {
        let mut input = Input::new(10 * LARGE);
        for _ in 0..6 {
            let all = vec![b'x'; input.room().len()];
            push(&mut input, &all);
        }
        assert_eq!(input.unused().len(), 32 * SMALL);
        push(&mut input, b"\n");
        assert_eq!(input.command().unwrap().unwrap().len(), 1);
        assert_eq!(input.room().len(), SMALL);
    }
}
