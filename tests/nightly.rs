//! The nightly's history goes from runner to runner. One that did not come back is told, is saved over nothing, and ends red.

use std::path::Path;
use std::process::Command;

/// What `ci/history` says to the steps after it, in the log, and in the summary.
fn asked(history: &Path, args: &[&str]) -> [String; 3] {
    let dir = tempfile::tempdir().expect("a folder");
    let [output, summary] = ["output", "summary"].map(|name| dir.path().join(name));
    let done = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/history"))
        .args(args)
        .env("SOUNDCHECK_HISTORY", history)
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .expect("it starts");
    assert!(done.status.success(), "what comes after it still plays: {done:?}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    [read(&output), String::from_utf8_lossy(&done.stdout).into_owned(), read(&summary)]
}

#[test]
fn a_history_that_did_not_come_back_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let history = dir.path().join("history.db");
    for empty in [false, true] {
        if empty {
            std::fs::write(&history, "").expect("written");
        }
        let [output, log, summary] = asked(&history, &[]);
        assert_eq!(output, "history=lost\n");
        assert!(log.starts_with("::warning ") && summary.starts_with("> [!WARNING]\n> "), "{log}{summary}");
        assert!(summary.contains("The history was not restored") && summary.contains("is no GO"), "{summary}");
        // Asked for, another begins.
        assert_eq!(asked(&history, &["new"]), ["history=new\n", "history=new\n", ""]);
    }
    std::fs::write(&history, "a history").expect("written");
    let kept = ["history=kept\n", "history=kept\n", ""];
    assert_eq!(asked(&history, &[]), kept);
    assert_eq!(asked(&history, &["new"]), kept, "none begins over one that is there");
}

#[test]
fn the_nightly_asks_before_it_plays_saves_no_lost_one_and_ends_red() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/nightly.yml");
    let text = std::fs::read_to_string(path).expect("reads");
    let steps: Vec<&str> = text.split("\n      - ").collect();
    let at = |what: &str| steps.iter().position(|step| step.contains(what)).unwrap_or_else(|| panic!("no step {what}"));
    let (restore, ask, play) = (at("cache/restore@"), at("ci/history "), at("ci/demo "));
    let (save, fail) = (at("cache/save@"), at("run: exit 1"));
    assert!(restore < ask && ask < play && play < save && save < fail, "{text}");
    const KEPT: &str = r#"fromJSON('["kept", "new"]')"#;
    assert!(steps[ask].starts_with("id: restored\n"));
    assert!(steps[save].starts_with(&format!("if: always() && contains({KEPT}, steps.restored.outputs.history)\n")));
    assert!(steps[fail].starts_with("if: always() && steps.restored.outputs.history == 'lost'\n"));
}
