use clap::Args;
use serde_json::json;
use shimmer_conformance::{Case, Profile, Result};

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only cases of this profile; may be given several times
    #[arg(long = "profile", value_name = "P")]
    profiles: Vec<Profile>,
    /// One JSON array in place of a table
    #[arg(long)]
    json: bool,
}

impl List {
    pub(crate) fn run(&self) -> Result<bool> {
        let wanted = |case: &Case| self.profiles.is_empty() || self.profiles.contains(&case.profile);
        let cases: Vec<Case> = shimmer_conformance::all().into_iter().filter(wanted).collect();
        if self.json {
            println!("{}", serde_json::Value::Array(cases.iter().map(as_json).collect()));
        } else {
            let width = cases.iter().map(|case| case.id.len()).max().unwrap_or_default();
            for case in &cases {
                let levels = names(case).join(" ");
                let needs = case.needs.join(" ");
                let line = format!(
                    "{:width$}  {:6}  {:10}  {levels:22}  {needs}",
                    case.id, case.keyword, case.profile
                );
                println!("{}", line.trim_end());
            }
            println!("{} cases", cases.len());
        }
        Ok(!cases.is_empty())
    }
}

fn as_json(case: &Case) -> serde_json::Value {
    json!({
        "id": case.id,
        "keyword": case.keyword,
        "profile": case.profile,
        "levels": names(case),
        "needs": case.needs,
        "spec": case.spec,
    })
}

fn names(case: &Case) -> Vec<&'static str> {
    let mut levels = case.levels.clone();
    levels.sort();
    levels.into_iter().map(|level| level.name()).collect()
}
