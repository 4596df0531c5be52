use std::{ffi::OsString, path::PathBuf};

use lexopt::prelude::*;

use crate::{endpoint::Endpoint, failure::Failure};

pub(crate) const USAGE: &str = "\
Shows a running supervision tree in the terminal.

usage: supervision-top [OPTION..] URL             such as http://127.0.0.1:8080
       supervision-top [OPTION..] --replay FILE

  --once             prints the picture of the tree, and ends
  --json             prints the snapshot as JSON, and ends
  --record FILE      writes what comes to a new file, as lines of JSON; without a
                     terminal it only records, until the program with the tree ends
  --replay FILE      replays such a file: play, pause, single steps
  --token-file FILE  a file with the token that the observer wants; or set
                     SUPERVISION_TOKEN
  --help, --version

Keys: ? shows them. NO_COLOR turns colours off.

exit codes:
  0  it did what it was asked to do
  1  no answer from the program with the tree
  2  wrong arguments, or no terminal
  3  refused: a token is needed or wrong, or this name of the host is not allowed
  4  what answers, or the file, is not understood
  5  a file or the terminal cannot be used
";

/// What the program shall do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: Source,
    pub(crate) output: Output,
}

/// Where the tree comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Live { endpoint: Endpoint, record: Option<PathBuf> },
    Replay(PathBuf),
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Viewer,
    Picture,
    Json,
}

/// What the arguments ask for.
#[derive(Debug)]
pub(crate) enum Request {
    Run(Options),
    Help,
    Version,
}

pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>, token: Option<String>) -> Result<Request, Failure> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let (mut url, mut record, mut replay, mut token_file) = (None, None, None, None);
    let mut output = Output::Viewer;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("once") if output != Output::Json => output = Output::Picture,
            Long("json") if output != Output::Picture => output = Output::Json,
            Long("once" | "json") => return Err(Failure::Usage("choose one of `--once` and `--json`".into())),
            Long("record") => record = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Long("replay") => replay = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Long("token-file") => token_file = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Long("help") | Short('h') => return Ok(Request::Help),
            Long("version") | Short('V') => return Ok(Request::Version),
            Value(value) if url.is_none() => url = Some(value.string().map_err(usage)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    let source = match (url, replay) {
        (Some(url), None) => {
            if record.is_some() && output != Output::Viewer {
                return Err(Failure::Usage("`--record` does not go with `--once` or `--json`".into()));
            }
            let token = match token_file {
                Some(file) => Some(read_token(file)?),
                None => token.filter(|token| !token.is_empty()),
            };
            Source::Live { endpoint: Endpoint::new(&url, token)?, record }
        }
        (None, Some(_)) if record.is_some() => {
            return Err(Failure::Usage("`--record` does not go with `--replay`".into()));
        }
        (None, Some(file)) => Source::Replay(file),
        (Some(_), Some(_)) => return Err(Failure::Usage("choose one of a URL and `--replay`".into())),
        (None, None) => {
            return Err(Failure::Usage("which tree? pass a URL such as http://127.0.0.1:8080".into()));
        }
    };
    Ok(Request::Run(Options { source, output }))
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::Usage(error.to_string())
}

fn read_token(file: PathBuf) -> Result<String, Failure> {
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Failure::File { what: file.display().to_string(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, Failure> {
        let all = std::iter::once("supervision-top").chain(arguments.iter().copied());
        read(all.map(OsString::from), None)
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        let url = "http://127.0.0.1:1";
        for arguments in [
            &[][..],
            &["--once", "--json", url],
            &["--replay", "a", url],
            &["--replay", "a", "--record", "b"],
            &["--once", "--record", "b", url],
            &["--unknown"],
            &[url, url],
        ] {
            let refused = of(arguments).expect_err("it is refused");
            assert_eq!(refused.exit_code(), 2, "{arguments:?}: {refused}");
        }
    }

    #[test]
    fn options_may_stand_before_and_after_the_url() {
        let Ok(Request::Run(options)) = of(&["http://127.0.0.1:1", "--once"]) else { panic!("it is understood") };
        assert_eq!(options.output, Output::Picture);
        let Ok(Request::Run(options)) = of(&["--json", "--replay", "a"]) else { panic!("it is understood") };
        assert_eq!(options.output, Output::Json);
    }
}
