//! The example of the front page, and what it prints.

use crate::{page::Page, read};

#[test]
fn the_front_page_shows_the_example_as_it_is() {
    let code = Page::of("README.md").code();
    let shown = code.iter().find(|block| block.language.starts_with("rust")).expect("an example");
    assert_eq!(shown.text(), read("tests/docs/example.rs"), "README.md and tests/docs/example.rs differ");
}

/// The example as a program that the test starts.
#[cfg(all(unix, feature = "tokio"))]
mod recovers {
    use std::{
        env,
        io::{BufRead, BufReader, Read},
        process::{Child, Command, Stdio},
    };

    use super::Page;

    include!("example.rs");

    const PROGRAM: &str = "SUPERVISION_EXAMPLE";

    /// A process that does not outlive the test, also where that fails.
    struct Program(Child);

    impl Drop for Program {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn the_front_pages_example() {
        if env::var_os(PROGRAM).is_some() {
            let _ = main();
        }
    }

    #[test]
    fn the_front_page_shows_what_the_example_prints() {
        let code = Page::of("README.md").code();
        let shown = code.iter().find(|block| block.lines.first().is_some_and(|line| line == "$ cargo run")).unwrap();
        let example = Command::new(env::current_exe().unwrap())
            .args(["--exact", "front_page::recovers::the_front_pages_example", "--nocapture", "--quiet"])
            .env(PROGRAM, "1")
            .stdout(Stdio::piped())
            .spawn();
        let mut example = Program(example.unwrap());
        let mut output = BufReader::new(example.0.stdout.take().unwrap());
        for line in &shown.lines[1..] {
            if line == "^C" {
                let sent = Command::new("kill").args(["-s", "INT", &example.0.id().to_string()]).status().unwrap();
                assert!(sent.success());
                continue;
            }
            // What runs the test begins with lines of its own.
            let mut printed = String::new();
            while printed.trim_end().is_empty() || printed.starts_with("running ") {
                printed.clear();
                assert!(output.read_line(&mut printed).unwrap() > 0, "it ended before it printed `{line}`");
            }
            assert_eq!(printed.trim_end(), line);
        }
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "the front page does not show this");
        assert!(example.0.wait().unwrap().success());
    }
}
