//! A task, a timer, and nothing else: what a program on smol weighs before it is supervised. See the README.

use std::time::Duration;

fn main() {
    smol::block_on(async {
        let task = smol::spawn(async {
            smol::Timer::after(Duration::from_millis(10)).await;
            println!("hello");
        });
        task.await;
    });
}
