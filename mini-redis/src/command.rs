//! What the commands do to the store, what they answer, and what the log keeps of them.

use crate::{
    protocol::{
        Arguments, parse_integer, write_array, write_bulk, write_command, write_error, write_integer, write_null,
        write_simple,
    },
    server::Server,
    store::{Store, Time, now},
};

/// What the server knows of a client.
#[derive(Debug)]
pub struct Client {
    /// The number of the connection.
    pub id: u64,
    /// The name that the client has given to itself.
    pub name: Vec<u8>,
    /// The client has said that it goes.
    pub is_leaving: bool,
}

/// Where a command writes to.
#[derive(Debug, Default)]
pub struct Output {
    /// The replies, for the client.
    pub replies: Vec<u8>,
    /// The changes, for the log. Each says what a key is after the command, and not what the command was: so it does not
    /// depend on what the key was before, nor on when it is read.
    pub records: Vec<u8>,
}

/// Executes a command.
pub fn execute(server: &Server, store: &mut Store, client: &mut Client, arguments: &Arguments<'_>, out: &mut Output) {
    let Some((name, arguments)) = arguments.split_first() else { return };
    let mut upper = [0; 16];
    let name = match upper.get_mut(..name.len()) {
        Some(upper) => {
            upper.copy_from_slice(name);
            upper.make_ascii_uppercase();
            &*upper
        }
        // There is no such command.
        None => name,
    };
    let replies = &mut out.replies;
    match (name, arguments) {
        (b"GET", [key]) => match store.get(key, now()) {
            Some(value) => write_bulk(replies, value),
            None => write_null(replies),
        },
        (b"SET", [key, value, options @ ..]) => set(store, key, value, options, out),
        (b"INCR", [key]) => increment(store, key, out),
        (b"DEL", keys @ [_, ..]) => {
            let now = now();
            let mut removed = 0;
            for key in keys.iter().filter(|key| store.remove(key, now)) {
                write_command(&mut out.records, &[b"DEL", key]);
                removed += 1;
            }
            write_integer(replies, removed);
        }
        (b"EXPIRE", [key, seconds]) => expire(store, key, seconds, out),
        (b"TTL", [key]) => {
            let now = now();
            let seconds = match store.expiry(key, now) {
                None => -2,
                Some(None) => -1,
                // Rounded, as Redis does.
                Some(Some(at)) => ((at - now + 500) / 1000) as i64,
            };
            write_integer(replies, seconds);
        }
        (b"DBSIZE", []) => write_integer(replies, store.len() as i64),
        (b"FLUSHALL", []) => {
            store.clear();
            write_command(&mut out.records, &[b"FLUSHALL"]);
            write_simple(replies, "OK");
        }
        (b"PING", []) => write_simple(replies, "PONG"),
        (b"PING" | b"ECHO", [text]) => write_bulk(replies, text),
        (b"QUIT", []) => {
            client.is_leaving = true;
            write_simple(replies, "OK");
        }
        (b"INFO", _) => write_bulk(replies, server.info(store.len()).as_bytes()),
        (b"CONFIG", [get, key]) if get.eq_ignore_ascii_case(b"GET") => config(server, key, replies),
        (b"CLIENT", [command, arguments @ ..]) => tell_client(server, client, command, arguments, replies),
        // redis-cli asks for help texts, and does without.
        (b"COMMAND", [count]) if count.eq_ignore_ascii_case(b"COUNT") => write_integer(replies, 0),
        (b"COMMAND", _) => write_array(replies, 0),
        (
            b"GET" | b"SET" | b"INCR" | b"DEL" | b"EXPIRE" | b"TTL" | b"DBSIZE" | b"FLUSHALL" | b"PING" | b"ECHO"
            | b"QUIT" | b"CONFIG" | b"CLIENT",
            _,
        ) => {
            let name = String::from_utf8_lossy(name).to_lowercase();
            write_error(replies, format_args!("wrong number of arguments for '{name}' command"));
        }
        _ => write_error(replies, format_args!("unknown command '{}'", name.escape_ascii())),
    }
}

/// Applies a record of the log. Returns whether it is one.
pub fn apply(store: &mut Store, record: &Arguments<'_>, now: Time) -> bool {
    match record.as_slice() {
        [b"SET", key, value] => store.set(key, value, None),
        [b"SET", key, value, b"PXAT", at] => match parse_time(at) {
            Some(at) => store.set(key, value, Some(at)),
            None => return false,
        },
        [b"PEXPIREAT", key, at] => match parse_time(at) {
            Some(at) => store.set_expiry(key, Some(at)),
            None => return false,
        },
        [b"DEL", key] => {
            store.remove(key, now);
        }
        [b"FLUSHALL"] => store.clear(),
        _ => return false,
    }
    true
}

fn parse_time(digits: &[u8]) -> Option<Time> {
    Time::try_from(parse_integer(digits)?).ok()
}

/// Writes the record that sets a key.
pub fn record_set(records: &mut Vec<u8>, key: &[u8], value: &[u8], expires_at: Option<Time>) {
    match expires_at {
        None => write_command(records, &[b"SET", key, value]),
        Some(at) => write_command(records, &[b"SET", key, value, b"PXAT", at.to_string().as_bytes()]),
    }
}

/// The log is read with signed numbers.
const MAX_TIME: Time = i64::MAX as Time;
const SYNTAX: &str = "syntax error";
const NO_INTEGER: &str = "value is not an integer or out of range";

fn set(store: &mut Store, key: &[u8], value: &[u8], mut options: &[&[u8]], out: &mut Output) {
    let (mut expires_at, mut only_new) = (None, false);
    let now = now();
    while let Some((option, rest)) = options.split_first() {
        options = rest;
        let unit = match option.to_ascii_uppercase().as_slice() {
            b"NX" => {
                only_new = true;
                continue;
            }
            b"EX" => 1000,
            b"PX" => 1,
            _ => return write_error(&mut out.replies, SYNTAX),
        };
        let Some((time, rest)) = options.split_first().filter(|_| expires_at.is_none()) else {
            return write_error(&mut out.replies, SYNTAX);
        };
        options = rest;
        let at = parse_time(time).filter(|time| *time > 0).and_then(|time| time.checked_mul(unit)?.checked_add(now));
        match at.filter(|at| *at <= MAX_TIME) {
            Some(at) => expires_at = Some(at),
            None => return write_error(&mut out.replies, "invalid expire time in 'set' command"),
        }
    }
    if only_new && store.get(key, now).is_some() {
        return write_null(&mut out.replies);
    }
    store.set(key, value, expires_at);
    record_set(&mut out.records, key, value, expires_at);
    write_simple(&mut out.replies, "OK");
}

fn increment(store: &mut Store, key: &[u8], out: &mut Output) {
    let now = now();
    let before = store.get(key, now).map_or(Some(0), parse_integer);
    let Some(number) = before.and_then(|number| number.checked_add(1)) else {
        return write_error(&mut out.replies, NO_INTEGER);
    };
    let expires_at = store.expiry(key, now).flatten();
    let value = number.to_string();
    store.set(key, value.as_bytes(), expires_at);
    record_set(&mut out.records, key, value.as_bytes(), expires_at);
    write_integer(&mut out.replies, number);
}

fn expire(store: &mut Store, key: &[u8], seconds: &[u8], out: &mut Output) {
    let now = now();
    let Some(seconds) = parse_integer(seconds) else { return write_error(&mut out.replies, NO_INTEGER) };
    if store.expiry(key, now).is_none() {
        return write_integer(&mut out.replies, 0);
    }
    // What expires in the past is gone at once.
    let at = now.saturating_add_signed(seconds.saturating_mul(1000));
    if at <= now {
        store.remove(key, now);
        write_command(&mut out.records, &[b"DEL", key]);
    } else {
        let at = at.min(MAX_TIME);
        store.set_expiry(key, Some(at));
        write_command(&mut out.records, &[b"PEXPIREAT", key, at.to_string().as_bytes()]);
    }
    write_integer(&mut out.replies, 1);
}

/// Answers what redis-benchmark asks for, to print it.
fn config(server: &Server, key: &[u8], replies: &mut Vec<u8>) {
    let maximum = server.options.max_connections.to_string();
    let value = match key.to_ascii_lowercase().as_slice() {
        b"appendonly" => "yes",
        b"appendfsync" => server.options.fsync.name(),
        b"save" => "",
        b"maxclients" => &maximum,
        _ => return write_array(replies, 0),
    };
    write_array(replies, 2);
    write_bulk(replies, key);
    write_bulk(replies, value.as_bytes());
}

fn tell_client(server: &Server, client: &mut Client, command: &[u8], arguments: &[&[u8]], replies: &mut Vec<u8>) {
    match (command.to_ascii_uppercase().as_slice(), arguments) {
        (b"SETNAME", [name]) => {
            client.name = name.to_vec();
            server.chaos.note_name(name);
            write_simple(replies, "OK");
        }
        (b"GETNAME", []) if client.name.is_empty() => write_null(replies),
        (b"GETNAME", []) => write_bulk(replies, &client.name),
        (b"ID", []) => write_integer(replies, client.id as i64),
        // The name and the version of a library.
        (b"SETINFO", [_, _]) => write_simple(replies, "OK"),
        _ => write_error(replies, SYNTAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{input::Input, options::Options};

    /// Executes commands, each a line. Returns the replies, and the store that their records make.
    fn run(commands: &str) -> (String, Store) {
        let (server, _inbox) = Server::new(Options::default());
        let mut client = Client { id: 7, name: Vec::new(), is_leaving: false };
        let (mut store, mut out) = (Store::default(), Output::default());
        for line in commands.lines() {
            let arguments = line.split(' ').map(str::as_bytes).collect();
            execute(&server, &mut store, &mut client, &arguments, &mut out);
        }
        let (mut replayed, mut input) = (Store::default(), Input::new(1024));
        assert!(out.records.len() <= input.room().len());
        input.room()[..out.records.len()].copy_from_slice(&out.records);
        input.add(out.records.len());
        while let Some(record) = input.command().unwrap() {
            assert!(apply(&mut replayed, &record, now()), "{record:?}");
        }
        (String::from_utf8(out.replies).unwrap().replace("\r\n", " "), replayed)
    }

    #[test]
    fn the_log_has_what_the_commands_have_done() {
        let (replies, store) =
            run("SET a 1\nSET b 2 PX 100000\nINCR b\nINCR c\nEXPIRE c 100\nSET d 4\nDEL d e\nSET a 5 NX");
        assert_eq!(replies, "+OK +OK :3 :1 :1 +OK :1 $-1 ");
        let now = now();
        assert_eq!((store.get(b"a", now), store.expiry(b"a", now)), (Some(&b"1"[..]), Some(None)));
        assert_eq!(store.get(b"b", now), Some(&b"3"[..]));
        assert!(store.expiry(b"b", now).flatten().is_some_and(|at| at > now && at <= now + 100_000));
        assert!(store.expiry(b"c", now).flatten().is_some_and(|at| at > now && at <= now + 100_000));
        assert_eq!(store.len(), 3);
        assert!(run("SET a 1\nFLUSHALL").1.is_empty());
        assert!(run("SET a 1\nEXPIRE a -1").1.is_empty());
    }

    #[test]
    fn options_that_make_no_sense_change_nothing() {
        let syntax = "-ERR syntax error ";
        for options in ["EX", "EX 1 PX 1", "FOO", "NX EX"] {
            let (replies, store) = run(&format!("SET a 1 {options}"));
            assert_eq!((&*replies, store.len()), (syntax, 0), "{options}");
        }
        for options in ["EX 0", "PX -1", "EX x", "EX 9223372036854775807", "PX 9223372036854775807"] {
            let (replies, store) = run(&format!("SET a 1 {options}"));
            assert_eq!((&*replies, store.len()), ("-ERR invalid expire time in 'set' command ", 0), "{options}");
        }
        let (replies, _) = run("SET a x\nINCR a\nSET b 9223372036854775807\nINCR b\nEXPIRE a x");
        assert_eq!(replies.matches("-ERR value is not an integer or out of range").count(), 3);
        assert_eq!(run("EXPIRE a 9223372036854775807\nSET a 1\nEXPIRE a 9223372036854775807").0, ":0 +OK :1 ");
    }

    #[test]
    fn a_client_has_a_name_and_a_number() {
        let (replies, _) = run("CLIENT GETNAME\nCLIENT SETNAME x\nclient getname\nCLIENT ID\nCLIENT FOO\nQUIT");
        assert_eq!(replies, "$-1 +OK $1 x :7 -ERR syntax error +OK ");
    }
}
