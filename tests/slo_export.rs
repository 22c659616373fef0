//! Objectives for other programs. The rules are checked, and made to ring, by promtool (Debian's `prometheus`).

#[path = "common/program.rs"]
mod program;

use program::{said, soundcheck};
use std::path::Path;
use std::process::{Command, Output};

fn export(format: &str) -> String {
    let done = soundcheck("none", &["slo", "--export", format]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    String::from_utf8(done.stdout).expect("UTF-8")
}

fn promtool(folder: &Path, args: &[&str]) {
    let done: Output = Command::new("promtool")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("promtool is missing: ci/setup installs it (Debian's prometheus)");
    let said = said(&done);
    assert!(done.status.success(), "promtool {args:?}: {said}");
    // A duplicate rule is told, and no error to it.
    assert!(!said.contains("lint error") && !said.contains("FAILED"), "{said}");
}

/// Two hours of a probe a minute. What rings and what does not: the budget of P1.1 is one in two hundred.
const PLAYBOOK: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - name: half of all fail, in both windows
    interval: 1m
    input_series:
      - { series: 'soundcheck_samples_total{objective="hydra.preset_load"}', values: '0+2x120' }
      - { series: 'soundcheck_bad_samples_total{objective="hydra.preset_load"}', values: '0+1x120' }
    alert_rule_test:
      - eval_time: 90m
        alertname: SoundcheckBudgetBurns
        exp_alerts:
          - exp_labels: { severity: page, within: 1h, pillar: hydra, objective: hydra.preset_load }
            exp_annotations:
              summary: "P1.1 hydra.preset_load: 2 % of the budget of 28 d within 1h: ratio >= 99.5 %"
          - exp_labels: { severity: page, within: 6h, pillar: hydra, objective: hydra.preset_load }
            exp_annotations:
              summary: "P1.1 hydra.preset_load: 5 % of the budget of 28 d within 6h: ratio >= 99.5 %"
          - exp_labels: { severity: ticket, within: 72h, pillar: hydra, objective: hydra.preset_load }
            exp_annotations:
              summary: "P1.1 hydra.preset_load: 10 % of the budget of 28 d within 72h: ratio >= 99.5 %"
  - name: one failure among a dozen probes is chance
    interval: 5m
    input_series:
      - { series: 'soundcheck_samples_total{objective="hydra.crash_free"}', values: '0+1x24' }
      - { series: 'soundcheck_bad_samples_total{objective="hydra.crash_free"}', values: '0x22 1 1' }
    alert_rule_test:
      - { eval_time: 115m, alertname: SoundcheckBudgetBurns, exp_alerts: [] }
  - name: nothing fails, and nothing is seen
    interval: 1m
    input_series:
      - { series: 'soundcheck_samples_total{objective="video.init"}', values: '0+2x60 _x60' }
      - { series: 'soundcheck_bad_samples_total{objective="video.init"}', values: '0x60 _x60' }
    alert_rule_test:
      - { eval_time: 50m, alertname: SoundcheckBudgetBurns, exp_alerts: [] }
      - { eval_time: 119m, alertname: SoundcheckBudgetBurns, exp_alerts: [] }
  - name: one command lost is one too many
    interval: 1m
    input_series:
      - { series: 'soundcheck_samples_total{objective="queue.lost"}', values: '0+9x60' }
      - { series: 'soundcheck_bad_samples_total{objective="queue.lost"}', values: '0x29 1x30' }
    alert_rule_test:
      - { eval_time: 20m, alertname: SoundcheckIncident, exp_alerts: [] }
      - eval_time: 40m
        alertname: SoundcheckIncident
        exp_alerts:
          - exp_labels: { severity: page, within: 1h, pillar: queue, objective: queue.lost }
            exp_annotations:
              summary: "P1.8 queue.lost: one is too many: none in >= 1000"
"#;

#[test]
fn prometheus_takes_the_rules_and_they_ring_when_they_must() {
    let dir = tempfile::tempdir().expect("a folder");
    let rules = export("prometheus");
    assert!(!rules.contains("init_firefox_goal"), "a goal alerts nobody");
    std::fs::write(dir.path().join("rules.yml"), rules).expect("written");
    std::fs::write(dir.path().join("playbook.yml"), PLAYBOOK).expect("written");
    promtool(dir.path(), &["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"]);
    promtool(dir.path(), &["test", "rules", "playbook.yml"]);
}

#[test]
fn openslo_has_a_service_for_each_pillar_and_an_slo_for_each_objective() {
    let documents = export("openslo");
    let documents: Vec<&str> = documents.split("---\n").skip(1).collect();
    let (services, slos): (Vec<&str>, Vec<&str>) = documents.iter().partition(|d| d.contains("\nkind: Service\n"));
    assert_eq!((services.len(), slos.len()), (4, 20));
    for slo in slos {
        let line = |key: &str| slo.lines().find_map(|l| l.trim_start().strip_prefix(key)).map(str::trim);
        let service = line("service:").expect("a service");
        assert!(services.iter().any(|s| s.contains(&format!("  name: {service}\n"))), "no service {service}");
        let name = line("name:").expect("a name");
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{name} is no DNS name"
        );
        let target: f64 = slo.lines().find_map(|l| l.split("target: ").nth(1)?.parse().ok()).expect("a target");
        assert!((0.0..1.0).contains(&target), "{name}: {target}");
        assert!(slo.starts_with("apiVersion: openslo/v1\nkind: SLO\n") && slo.contains("isRolling: true"), "{slo}");
    }
}
