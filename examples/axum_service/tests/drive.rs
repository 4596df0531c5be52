//! The service, driven by an HTTP client and by signals.

use std::process::Command;

#[cfg(unix)]
#[test]
fn the_service_keeps_what_a_client_relies_on() {
    let driven = Command::new(env!("CARGO_BIN_EXE_axum_service")).arg("--drive").output().unwrap();
    let printed = String::from_utf8_lossy(&driven.stdout);
    println!("{printed}");
    eprintln!("{}", String::from_utf8_lossy(&driven.stderr));
    // The driver returns an error for what does not hold. Its last line shows that it came to its end.
    assert!(driven.status.success(), "{}", driven.status);
    assert!(printed.ends_with("22 jobs had a result, and 22 rows are in the database\n"));
}

#[test]
fn a_service_without_its_configuration_does_not_start() {
    let started = Command::new(env!("CARGO_BIN_EXE_axum_service")).arg("no_such_file.toml").output().unwrap();
    assert_eq!(started.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&started.stderr).contains("no_such_file.toml: "));
}
