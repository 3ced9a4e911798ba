//! The page: what was found, first in ratios and pictures, then in figures.

mod compile;
mod glance;
mod goals;
mod http;
mod machine;
mod memory;
mod phases;
mod settings;
mod speed;
mod starts;
mod throughput;
mod trade;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use shimmer_benches::results::Results;
use shimmer_benches::results::containers::Containers;
use shimmer_benches::results::engines::Engines;
use shimmer_benches::summary::Summary;

use crate::Result;
use crate::plot::bars::Bars;
use crate::table::Table;

/// The page and its pictures.
#[derive(Debug)]
pub(crate) struct Page {
    /// In Markdown.
    pub(crate) text: String,
    /// By the names of their files.
    pub(crate) plots: BTreeMap<String, String>,
}

impl Page {
    /// Says all that there is to say.
    pub(crate) fn of(results: &Results) -> Result<Self> {
        let mut page = Self { text: "# What the benches found\n\n".to_owned(), plots: BTreeMap::new() };
        page.add(machine::section(results));
        page.add(glance::section(results));
        page.add(of_containers("Start latency", results, starts::section)?);
        page.add(of_containers("Cold, in pods, on a disk", results, settings::section)?);
        page.add(of_containers("Where the time goes", results, phases::section)?);
        page.add(of_containers("Memory for each container", results, memory::section)?);
        page.add(of_engines("Execution speed against native", results, speed::section)?);
        page.add(of_engines("Compile time against run time", results, trade::section)?);
        page.add(of_engines("From WebAssembly to a guest that runs", results, compile::section)?);
        page.add(of_containers("Throughput", results, throughput::section)?);
        page.add(of_containers("HTTP", results, http::section)?);
        page.add(of_containers("Goals", results, goals::section)?);
        Ok(page)
    }

    fn add(&mut self, section: Section) {
        self.text.push_str(&section.text);
        self.plots.extend(section.plots);
    }
}

/// One heading, and what stands under it.
#[derive(Debug)]
struct Section {
    text: String,
    plots: BTreeMap<String, String>,
}

impl Section {
    fn new(title: &str) -> Self {
        Self { text: format!("## {title}\n\n"), plots: BTreeMap::new() }
    }

    fn say(&mut self, sentences: impl Display) {
        // Writing into a string does not fail.
        let _ = writeln!(self.text, "{sentences}\n");
    }

    /// A table, if it has any row.
    fn table(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.say(format_args!("{title}\n\n{}", table.to_string().trim_end()));
        }
    }

    /// A long table, for those who ask for it.
    fn appendix(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.say(format_args!("<details>\n<summary>{title}</summary>\n\n{table}\n</details>"));
        }
    }

    fn picture(&mut self, name: &str, title: &str, svg: String) {
        let file = format!("{name}.svg");
        self.say(format_args!("![{title}](plots/{file})"));
        self.plots.insert(file, svg);
    }

    /// Bars, if there is any.
    fn bars(&mut self, name: &str, bars: &Bars) -> Result {
        if !bars.is_empty() {
            self.picture(name, &bars.title, bars.svg()?);
        }
        Ok(())
    }

    /// What has no figures, and why: each reason once.
    fn gaps<'a>(&mut self, rows: impl IntoIterator<Item = (String, &'a Option<String>, &'a Summary)>) {
        let mut reasons = BTreeMap::<&str, Vec<String>>::new();
        for (what, failure, figures) in rows {
            let silent = figures.middle().is_none().then_some("nobody took a sample, and nobody said why");
            let Some(reason) = failure.as_deref().or(silent) else { continue };
            let all = reasons.entry(reason).or_default();
            if !all.contains(&what) {
                all.push(what);
            }
        }
        let lines =
            reasons.iter().map(|(reason, what)| format!("- {}: {}", what.join("; "), one_line(reason)));
        let lines: Vec<String> = lines.collect();
        if !lines.is_empty() {
            self.say(format_args!("Not measured, with the reason:\n\n{}", lines.join("\n")));
        }
    }

    /// That there is nothing, and why.
    fn missing(mut self, why: &str) -> Self {
        self.say(format_args!("Not measured: {why}"));
        self
    }
}

fn of_containers(
    title: &str,
    results: &Results,
    tell: impl FnOnce(Section, &Containers) -> Result<Section>,
) -> Result<Section> {
    let section = Section::new(title);
    match &results.containers {
        Some(containers) => tell(section, containers),
        None => Ok(section.missing("none of the files has results of containers.")),
    }
}

fn of_engines(
    title: &str,
    results: &Results,
    tell: impl FnOnce(Section, &Engines) -> Result<Section>,
) -> Result<Section> {
    let section = Section::new(title);
    match &results.engines {
        Some(engines) => tell(section, engines),
        None => Ok(section.missing("none of the files has results of the engines by themselves.")),
    }
}

/// A sentence of a program, as an item of a list.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn every_section_says_what_there_is_and_every_picture_is_shown() {
        let page = Page::of(&fixture::results()).expect("a page");
        for (name, svg) in &page.plots {
            assert!(page.text.contains(&format!("(plots/{name})")), "{name} is not in the page");
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{name}");
            assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count(), "{name}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}: {svg}");
            assert!(svg.contains("wasmtime"), "{name} is about nobody: {svg}");
        }
        let names: Vec<&str> = page.plots.keys().map(String::as_str).collect();
        let expected = [
            "compile.svg",
            "http.svg",
            "load-compiled.svg",
            "memory-pod-alone.svg",
            "memory-pod.svg",
            "memory-task-alone.svg",
            "memory-task.svg",
            "phases-pod.svg",
            "phases-task.svg",
            "shim-start.svg",
            "speed.svg",
            "start-cold.svg",
            "start-pod.svg",
            "start-python-cold.svg",
            "start-python.svg",
            "start-warm.svg",
            "throughput.svg",
            "trade.svg",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_section_without_figures_says_so() {
        let nothing = Results { containers: None, engines: None, ..fixture::results() };
        let page = Page::of(&nothing).expect("a page");
        assert!(page.plots.is_empty(), "{page:?}");
        assert_eq!(page.text.matches("Not measured: none of the files").count(), 11, "{}", page.text);

        let empty = Results {
            containers: Some(Containers::default()),
            engines: Some(Engines::default()),
            ..fixture::results()
        };
        let page = Page::of(&empty).expect("a page");
        assert!(page.plots.is_empty(), "{page:?}");
        assert_eq!(page.text.matches("Not measured: ").count(), 11, "{}", page.text);
        assert!(!page.text.contains("NaN"), "{}", page.text);
    }

    #[test]
    fn what_failed_is_told_with_its_reason_and_never_drawn() {
        let page = Page::of(&fixture::broken()).expect("a page");
        assert!(page.plots.is_empty(), "{:?}", page.plots.keys());
        assert!(page.text.contains(fixture::REASON), "{}", page.text);
        assert!(!page.text.contains("NaN") && !page.text.contains("| 0 |"), "{}", page.text);
    }

    #[test]
    fn what_has_neither_samples_nor_a_reason_is_told_as_well() {
        let mut results = fixture::broken();
        for row in results.containers.iter_mut().flat_map(|containers| &mut containers.starts) {
            row.failure = None;
        }
        let page = Page::of(&results).expect("a page");
        assert!(
            !page.plots.contains_key("start-warm.svg") && page.text.contains("nobody said why"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("NaN"), "{}", page.text);
    }
}
