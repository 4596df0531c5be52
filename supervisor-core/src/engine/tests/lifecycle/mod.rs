//! What a child does next: each state of `slot.rs`, and each thing that can happen in it.
//!
//! The answer is a file, `lifecycle.md`, so that a change of policy is a diff of a table. `UPDATE_EXPECT=1` renews it.

mod event;
mod scene;
mod setting;
mod situation;
mod table;

use expect_test::expect_file;

use self::{
    event::Event,
    scene::{Outcome, Scene},
    setting::Setting,
    situation::Situation,
    table::Table,
};
use super::*;

const TYPES: [RestartType; 3] = [RestartType::Permanent, RestartType::Transient, RestartType::Temporary];

/// By restart type; `None` where such a child does not come into the situation, or the event not into it.
type Outcomes = [Option<Outcome>; 3];

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let mut text = String::from(INTRODUCTION);
    for setting in Setting::ALL {
        text.push_str(&chapter(setting));
    }
    expect_file!["../lifecycle.md"].assert_eq(&text);
}

const INTRODUCTION: &str = "\
# The life of a child, event by event

What a child does in each state when something happens to it, as the engine does it. Made by `lifecycle.rs`; renewed with
`UPDATE_EXPECT=1 cargo test -p supervisor-core lifecycle`, so read the diff.

*Next* is the state of the child (those of `slot.rs`), or `removed`. *Effects* are what the engine wants done, *told* is
what those who listen hear, *answers* what callers hear. What is not about the child itself has a name before it. Events
that come to the same share a row, and a row without a restart type holds for all that can be in the state.
";

/// Writes a chapter: all of the first setting, and the differences of the settings that vary it.
fn chapter(setting: Setting) -> String {
    let mut chapter = format!("\n## {}\n", setting.title());
    for situation in setting.situations() {
        let rows: Vec<_> = Event::ALL.into_iter().map(|event| (event, outcomes(setting, *situation, event))).collect();
        assert!(rows.iter().any(|(_, outcomes)| outcomes.iter().any(Option::is_some)), "{setting:?}: {situation:?}");
        let differs = |(event, outcomes): &(Event, Outcomes)| {
            let base = setting.varies().map(|base| self::outcomes(base, *situation, *event));
            let is_other = |(n, outcome): (usize, &Option<Outcome>)| {
                outcome.is_some() && base.as_ref().is_none_or(|base| base[n] != *outcome)
            };
            outcomes.iter().enumerate().any(is_other)
        };
        let rows: Vec<_> = rows.into_iter().filter(differs).collect();
        if !rows.is_empty() {
            chapter.push_str(&format!("\n### {}\n\n{}", situation.title(), Table::new(rows)));
        }
    }
    chapter
}

fn outcomes(setting: Setting, situation: Situation, event: Event) -> Outcomes {
    TYPES.map(|restart| {
        let mut scene = setting.scene(restart, situation)?;
        situation.arrange(&mut scene);
        scene.is_in(situation).then(|| event.happen(&mut scene))?
    })
}
