//! One result of several files.

use shimmer_benches::machine::Machine;
use shimmer_benches::results::Results;

use crate::Result;

/// What a file has.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) file: String,
    pub(crate) results: Results,
}

/// Takes each part from the file that has it.
///
/// # Errors
/// Where the files cannot be of one result, with what stands against it.
pub(crate) fn merge(found: Vec<Found>) -> Result<Results> {
    let mut files = found.into_iter();
    let mut all = files.next().ok_or("there is no file of results")?;
    for next in files {
        one_machine(&all, &next)?;
        let parts = [
            ("engines", all.results.engines.is_some() && next.results.engines.is_some()),
            ("containers", all.results.containers.is_some() && next.results.containers.is_some()),
        ];
        if let Some((part, _)) = parts.into_iter().find(|(_, is_in_both)| *is_in_both) {
            return Err(
                format!("{} and {} both have results of {part}: leave one out", all.file, next.file).into()
            );
        }
        all.file = format!("{}, {}", all.file, next.file);
        all.results.engines = all.results.engines.or(next.results.engines);
        all.results.containers = all.results.containers.or(next.results.containers);
    }
    Ok(all.results)
}

fn one_machine(first: &Found, second: &Found) -> Result {
    let (one, other) = (words(&first.results.machine), words(&second.results.machine));
    for ((what, one), (_, other)) in one.into_iter().zip(other) {
        if one != other {
            return Err(format!(
                "{} and {} cannot be one result, for their {what} differs: {one} and {other}",
                first.file, second.file
            )
            .into());
        }
    }
    Ok(())
}

fn words(machine: &Machine) -> [(&'static str, String); 6] {
    let Machine { processor, cores, kernel, cgroup, revision, tools } = machine;
    let tools: Vec<&str> = tools.values().map(String::as_str).collect();
    [
        ("processor", processor.clone()),
        ("number of cores", cores.to_string()),
        ("kernel", kernel.clone()),
        ("kind of cgroups", cgroup.clone()),
        ("revision", revision.clone()),
        ("set of tools", tools.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    type Change = fn(&mut Machine);

    fn found(file: &str) -> Found {
        Found { file: file.into(), results: fixture::results() }
    }

    fn halves() -> [Found; 2] {
        let [mut engines, mut containers] = [found("engines.json"), found("containers.json")];
        engines.results.containers = None;
        containers.results.engines = None;
        [engines, containers]
    }

    #[test]
    fn each_part_comes_from_the_file_that_has_it() {
        let all = merge(halves().to_vec()).expect("they belong together");
        assert!(all.engines.is_some() && all.containers.is_some());
    }

    #[test]
    fn refuses_other_machines_and_other_revisions() {
        let changes: [(&str, Change); 5] = [
            ("processor", |machine| machine.processor = "another".into()),
            ("cores", |machine| machine.cores = 64),
            ("kernel", |machine| machine.kernel = "another".into()),
            ("cgroups", |machine| machine.cgroup = "another".into()),
            ("revision", |machine| machine.revision = "another".into()),
        ];
        for (what, change) in changes {
            let mut files = halves();
            change(&mut files[1].results.machine);
            let error = merge(files.to_vec()).expect_err(what).to_string();
            let said = ["engines.json", "containers.json", what, "differs"];
            assert!(said.iter().all(|said| error.contains(said)), "{error}");
        }
    }

    #[test]
    fn refuses_two_files_with_the_same_part() {
        let error = merge(vec![found("a.json"), found("b.json")]).expect_err("which one?").to_string();
        assert!(error.contains("a.json and b.json both have results of engines"), "{error}");
    }
}
