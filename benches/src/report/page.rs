use std::{error::Error, fmt, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::Section;

/// What was measured on one occasion: recorded as data, shown as Markdown and as plots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// On which machine, when, and how much.
    pub measured: String,
    /// What the ratios are to.
    pub reference: String,
    /// One for each workload.
    pub sections: Vec<Section>,
}

impl Page {
    /// Reads a page that was recorded under this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn read(directory: &Path, name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(serde_json::from_str(&fs::read_to_string(directory.join(name).with_extension("json"))?)?)
    }

    /// Records the page under this name, with its Markdown, and with its plots if the feature `plots` is on.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(directory)?;
        let file = directory.join(name);
        fs::write(file.with_extension("json"), serde_json::to_string_pretty(self)? + "\n")?;
        fs::write(file.with_extension("md"), self.to_string())?;
        #[cfg(feature = "plots")]
        for section in &self.sections {
            if let Some(plot) = super::plot(section, &self.reference)? {
                fs::write(directory.join(format!("{name}-{}.svg", section.name)), plot)?;
            }
        }
        Ok(())
    }

    /// What the tables need to be read.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "↑: higher is better; ↓: lower is better. In brackets: the ratio of the medians, to {}.",
            self.reference
        )
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n{}", self.measured, self.key())?;
        self.sections.iter().try_for_each(|section| write!(f, "\n{section}"))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::{
        super::{Line, Section},
        Page,
    };

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn recorded(name: &str) -> Page {
        Page::read(&root().join("results"), name).unwrap()
    }

    #[test]
    fn tables_show_what_is_recorded() {
        for name in ["executors", "peers"] {
            let shown = fs::read_to_string(root().join("results").join(name).with_extension("md")).unwrap();
            assert!(shown == recorded(name).to_string(), "{name}: run the bench `report` with `--redraw`");
        }
    }

    #[test]
    #[cfg(feature = "plots")]
    fn plots_show_what_is_recorded() {
        for name in ["executors", "peers"] {
            let page = recorded(name);
            for section in &page.sections {
                let file = root().join("results").join(format!("{name}-{}.svg", section.name));
                let shown = fs::read_to_string(&file).ok();
                let drawn = crate::report::plot(section, &page.reference).unwrap();
                assert!(shown == drawn, "{}: run the bench `report` with `--redraw`", file.display());
            }
        }
    }

    #[test]
    fn readmes_quote_what_is_recorded() {
        let peers = recorded("peers");
        let section = |name: &str| peers.sections.iter().find(|section| section.name == name).unwrap();
        let own = fs::read_to_string(root().join("README.md")).unwrap();
        assert!(own.contains(&section("start").table()), "benches/README.md");
        let front = fs::read_to_string(root().join("../README.md")).unwrap();
        let start = (section("start"), section("start").columns.len() - 1);
        let [at_once, in_order] = [0, 1].map(|column| (section("stop"), column));
        let first = |name| (section(name), 0);
        let columns: [(&Section, usize); 7] =
            [start, at_once, in_order, first("restart"), first("group"), (section("churn"), 1), first("footprint")];
        let mut table = String::new();
        for (line, Line { who, .. }) in peers.sections[0].lines.iter().enumerate() {
            let values = columns.map(|(section, column)| section.value(line, column).unwrap_or_else(|| "–".into()));
            let row = format!("| {who} | {} |\n", values.join(" | "));
            // What is the same on most lines stands above the table.
            table += &row.replace(" on Tokio, 2 threads", "");
        }
        assert!(front.contains(&table), "README.md has to have:\n{table}");
    }
}
