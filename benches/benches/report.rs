//! Prints all tables in Markdown, and writes them to `benches/results/`, as data too: with the feature `plots` as pictures, and
//! with the feature `peers` beside other crates.
//!
//! `cargo bench -p supervision-benches --features peers,plots --bench report [-- --quick | --large | --redraw] [--only NAME]`:
//! `--quick` ends within some minutes, `--large` starts a million children as well. `--redraw` measures nothing: it makes tables
//! and plots from the data that are there. `--only` measures one of the two pages: `executors` or `peers`.

use std::{env, error::Error, path::Path, time::Duration};

use supervision_benches::{
    Contestant, Row,
    alone::Alone,
    executors, peers,
    report::{Cell, Column, Line, Page, Section, machine},
    rounds,
    subject::{Order, Strategy},
    workload::Workload,
};

fn main() -> Result<(), Box<dyn Error>> {
    let is_asked = |name| env::args().any(|argument| argument == name);
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let only = env::args().skip_while(|argument| argument != "--only").nth(1);
    let mut tables = vec![
        Table { name: "executors", all: executors(), said: "a bare spawn on the same executor" },
        Table { name: "peers", all: peers(), said: "a bare `JoinSet` on the same executor, on smol to the floor" },
    ];
    tables.retain(|table| only.as_deref().is_none_or(|only| only == table.name));
    if is_asked("--redraw") {
        return tables.iter().try_for_each(|table| Page::read(&results, table.name)?.write(&results, table.name));
    }
    let plan = if is_asked("--quick") { Plan::quick() } else { Plan::full(is_asked("--large")) };
    let measured = format!("{}; {}, medians of {} rounds", machine(), plan.name, plan.rounds);
    println!("{measured}\n");
    for table in tables {
        let mut page = Page { measured: measured.clone(), reference: table.said.to_owned(), sections: Vec::new() };
        println!("## {}\n\n{}\n", table.name, page.key());
        for (name, sizes) in &plan.workloads {
            let section = table.measure(name, sizes, &plan)?;
            println!("{section}");
            page.sections.push(section);
        }
        page.write(&results, table.name)?;
    }
    Ok(())
}

struct Table {
    name: &'static str,
    all: Vec<Contestant>,
    said: &'static str,
}

impl Table {
    /// Returns the one that this one is compared with: the first on the same executor.
    fn reference(&self, who: usize) -> usize {
        self.all.iter().position(|other| other.executor() == self.all[who].executor()).unwrap_or(who)
    }

    fn measure(&self, name: &str, sizes: &[(String, Workload)], plan: &Plan) -> Result<Section, Box<dyn Error>> {
        let lines = self.all.iter().enumerate().map(|(who, contestant)| {
            let reference = self.reference(who);
            Line { who: contestant.name(), reference: (reference != who).then_some(reference), cells: Vec::new() }
        });
        let mut section = Section { name: name.to_owned(), columns: Vec::new(), lines: lines.collect() };
        for (size, workload) in sizes {
            let can = |who: &usize| self.all[*who].cannot(*workload).is_none();
            let running: Vec<_> = (0..self.all.len()).filter(can).collect();
            let turns: Vec<_> = running.iter().map(|who| (self.all[*who], *workload)).collect();
            let times = if workload.needs_a_process() { 1 } else { plan.rounds };
            // Some of them have what there is once in a process, and some may not come to an end.
            let row = rounds(&turns, times, &alone(plan.limit), true)?;
            for (figure, what) in workload.figures().iter().enumerate() {
                section.columns.push(Column::new(size, *what));
                for (who, line) in section.lines.iter_mut().enumerate() {
                    line.cells.push(match running.iter().position(|running| *running == who) {
                        Some(place) => cell(&row, place, figure),
                        None => Cell::Empty(self.all[who].cannot(*workload).unwrap_or_default().to_owned()),
                    });
                }
            }
        }
        Ok(section)
    }
}

fn cell(row: &Row, who: usize, figure: usize) -> Cell {
    match row.figure(who, figure) {
        value if value.is_nan() => Cell::Empty("it did not end in time".to_owned()),
        value => Cell::Measured(value),
    }
}

fn alone(limit: Duration) -> Alone {
    Alone { sample: env!("CARGO_BIN_EXE_sample").into(), heap: env!("CARGO_BIN_EXE_heap").into(), limit }
}

/// What is measured: each workload in its sizes.
struct Plan {
    name: &'static str,
    rounds: usize,
    /// How long one sample may take.
    limit: Duration,
    workloads: Vec<(&'static str, Vec<(String, Workload)>)>,
}

impl Plan {
    fn full(with_a_million: bool) -> Self {
        let mut starts = vec![1_000, 10_000, 100_000];
        starts.extend(with_a_million.then_some(1_000_000));
        Self {
            name: "full run",
            rounds: 7,
            limit: Duration::from_secs(60),
            workloads: workloads(&starts, 100_000, &[0, 10_000, 100_000], 100_000, &[1_000, 10_000], 200_000, 10),
        }
    }

    fn quick() -> Self {
        Self {
            name: "quick run",
            rounds: 3,
            limit: Duration::from_secs(5),
            workloads: workloads(&[1_000, 10_000], 10_000, &[0, 10_000], 10_000, &[1_000], 20_000, 1),
        }
    }
}

fn workloads(
    starts: &[usize],
    many: usize,
    siblings: &[usize],
    restarts: usize,
    groups: &[usize],
    short: usize,
    seconds: u64,
) -> Vec<(&'static str, Vec<(String, Workload)>)> {
    let start = |&children: &usize| (short_form(children), Workload::Start { children });
    let restart = |&siblings: &usize| {
        (format!("beside {}", short_form(siblings)), Workload::Restart { siblings, before: restarts / 10, restarts })
    };
    let group = |&children: &usize| {
        [("one-for-all", Strategy::OneForAll), ("rest-for-one", Strategy::RestForOne)].map(|(name, strategy)| {
            (format!("{name}, {}", short_form(children)), Workload::Group { strategy, children })
        })
    };
    let stop = |name: &str, order| (name.to_owned(), Workload::Stop { order, children: many });
    let only = |workload| (String::new(), workload);
    vec![
        ("start", starts.iter().map(start).collect()),
        ("footprint", vec![only(Workload::Footprint { children: many }), only(Workload::Residue { children: short })]),
        ("restart", siblings.iter().map(restart).chain([only(Workload::RestartAllocations { restarts })]).collect()),
        ("group", groups.iter().flat_map(group).collect()),
        ("stop", vec![stop("concurrent", Order::Concurrent), stop("in order", Order::Reverse)]),
        (
            "churn",
            vec![
                ("spawn".into(), Workload::Churn { children: short }),
                ("with the answer".into(), Workload::Reply { children: short }),
            ],
        ),
        ("poll", vec![only(Workload::Poll { polls: 10 * short }), only(Workload::Wake { wakes: short })]),
        ("idle", vec![only(Workload::Idle { children: many, seconds })]),
    ]
}

fn short_form(count: usize) -> String {
    match count {
        0 => "none".to_owned(),
        count if count % 1_000_000 == 0 => format!("{}M", count / 1_000_000),
        count if count % 1_000 == 0 => format!("{}k", count / 1_000),
        count => count.to_string(),
    }
}
