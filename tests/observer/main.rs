//! The web page of a tree, asked over real sockets by clients that do what browsers and attackers do. `browser.py` beside it looks
//! at the page with a browser.

mod attackers;
mod client;
mod control;
#[path = "../harness/lines.rs"]
mod lines;
mod recordings;
mod streams;
