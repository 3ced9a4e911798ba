//! Where all this was measured, and how far it can be trusted.

use shimmer_benches::results::Results;
use shimmer_benches::results::noise::Noise;

use super::Section;
use crate::table::Table;

pub(super) fn section(results: &Results) -> Section {
    let mut section = Section::new("Machine and versions");
    let machine = &results.machine;
    section.say(format_args!(
        "{}, {} cores, kernel {}, cgroup {}, revision {}. Ratios can be compared with those of other machines; \
         milliseconds cannot.",
        machine.processor, machine.cores, machine.kernel, machine.cgroup, machine.revision
    ));
    if machine.revision.ends_with("-dirty") {
        section.say("The sources had changes that no commit has.");
    }
    let mut versions = Table::new(["what", "version"]);
    for (name, version) in results.engines.iter().flat_map(|engines| &engines.engines) {
        versions.row([format!("engine {name}"), version.clone()]);
    }
    if let Some(containers) = &results.containers {
        versions.row(["containerd".to_owned(), containers.containerd.clone()]);
        for (name, identity) in &containers.shims {
            versions.row([format!("shim {name}"), identity.clone()]);
        }
    }
    for (name, version) in &machine.tools {
        versions.row([name.clone(), version.clone()]);
    }
    section.appendix("Versions of engines, shims and tools", &versions);
    if let Some(engines) = &results.engines {
        section.say(format_args!("Engines: {} rounds. {}", engines.rounds, trust(&engines.trust())));
    }
    if let Some(containers) = &results.containers {
        section.say(format_args!(
            "Containers: {} rounds after {} warm-ups. {}",
            containers.rounds,
            containers.warm_ups,
            trust(&containers.trust())
        ));
        if !containers.failures.is_empty() {
            let lines: Vec<_> = containers.failures.iter().map(|line| super::one_line(line)).collect();
            section.say(format_args!("What went wrong:\n\n- {}", lines.join("\n- ")));
        }
    }
    section
}

fn trust(noise: &Noise) -> String {
    let said = noise.said();
    noise.warning().map_or_else(|| said.clone(), |warning| format!("{said}\n\n> **Warning:** {warning}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_busy_machine_is_warned_of() {
        let mut results = fixture::results();
        assert!(!section(&results).text.contains("Warning"), "{:?}", section(&results));
        if let Some(containers) = &mut results.containers {
            containers.noise = Some(0.23);
        }
        let text = section(&results).text;
        assert!(text.contains("23 %") && text.contains("**Warning:**"), "{text}");
    }

    #[test]
    fn says_who_was_measured() {
        let text = section(&fixture::results()).text;
        for said in
            ["AMD EPYC, 2 cores", "revision 0123456789ab", "| containerd ", "| engine wasmtime ", "| rustc "]
        {
            assert!(text.contains(said), "{said} in {text}");
        }
    }
}
