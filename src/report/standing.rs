//! Where the objectives stand, in a terminal: what a person reads who asks whether all is well, and what is not.

use super::sparkline::sparkline;
use crate::slo::{Mark, STREAK, Standing, Stands, Streak, Verdict};
use crate::stats::Burning;
use crate::unit::{many, show_percent};
use std::fmt::Write as _;

/// The objectives, pillar by pillar: verdict, target, the window's days; below each its value, its budget, what a proof
/// needs and what burns. Then the days of the streak, and why each that is not met is not.
pub fn write(standing: &Standing) -> String {
    let Standing { app, environment, until, time_zone, objectives, streak } = standing;
    let [app, environment] = [app, environment].map(|name| if name.is_empty() { "any" } else { name });
    let mut out = format!("{app} in {environment}, until {until}, days of {time_zone}\n");
    let wide = objectives.iter().map(|o| o.judged.name.chars().count()).max().unwrap_or(0);
    let target = |stands: &Stands| format!("{} over {} d", stands.judged.target, stands.window);
    let targets = objectives.iter().map(|o| target(o).chars().count()).max().unwrap_or(0);
    let mut pillar = "";
    for stands in objectives {
        let judged = &stands.judged;
        let own = judged.name.split('.').next().unwrap_or_default();
        if own != pillar {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "\n{own}");
            pillar = own;
        }
        let (verdict, days) = (judged.verdict.name(), sparkline(&stands.days));
        let (id, name, target) = (&judged.id, &judged.name, target(stands));
        let line = format!("  {verdict:<16} {id:<5}  {name:<wide$}  {target:<targets$}  {days}");
        let _ = writeln!(out, "{}", line.trim_end());
        for said in told(stands) {
            let _ = writeln!(out, "{:19}{said}", "");
        }
    }
    let _ = write!(out, "\n{}", strips(streak));
    let count = |verdict| objectives.iter().filter(|o| !o.judged.goal && o.judged.verdict == verdict).count();
    let [met, breached, unknown] = [Verdict::Met, Verdict::Breached, Verdict::NotEnoughData].map(count);
    let demanded = many((met + breached + unknown) as u64, "objective", "objectives");
    let _ = writeln!(out, "{demanded}: {met} met, {breached} breached, {unknown} without enough data");
    out
}

/// The lines below an objective: its value, its budget, what a proof needs, what burns.
fn told(stands: &Stands) -> Vec<String> {
    let judged = &stands.judged;
    let mut said = vec![judged.value.clone()];
    match stands.budget_left {
        Some(left) if left < 0.0 => said[0] += &format!("; budget spent {:.1} times", 1.0 - left),
        Some(left) => said[0] += &format!("; budget left {:.0} %", (left * 100.0).floor()),
        None => {}
    }
    said.extend(stands.left_out.iter().cloned());
    if let Some(needs) = &judged.needs {
        said.push(format!("a proof needs {needs}"));
    }
    // A goal alerts nobody.
    for burns in stands.burns.iter().filter(|_| !judged.goal) {
        let fast = format!(
            "{}: {} of the budget within {} h, {:.1} times too fast",
            burns.severity.name(),
            show_percent(burns.budget),
            burns.within,
            burns.long.unwrap_or_default()
        );
        match burns.burning {
            Burning::Yes => said.push(format!("burns: {fast}")),
            Burning::TooFew => said.push(format!("may burn, of too few samples to tell from chance: {fast}")),
            Burning::No => {}
        }
    }
    said
}

/// So many reasons why a day is not met fit a line; the JSON has all.
const REASONS: usize = 2;

/// Each pillar's days, and the streak.
fn strips(streak: &Streak) -> String {
    let (Some(first), Some(last)) = (streak.days.first(), streak.days.last()) else { return String::new() };
    let today = if streak.over { "" } else { ", which is not over" };
    let mut out = format!("days {} .. {}{today}\n", first.day, last.day);
    let wide = streak.pillars.iter().map(|strip| strip.pillar.chars().count()).max().unwrap_or(0).max(3);
    let signs = |marks: &mut dyn Iterator<Item = Mark>| marks.map(Mark::sign).collect::<String>();
    for strip in &streak.pillars {
        let days = signs(&mut strip.days.iter().copied());
        let _ = writeln!(out, "  {:<wide$}  {days}", strip.pillar);
    }
    let all = signs(&mut streak.days.iter().map(|day| day.mark));
    let _ = writeln!(out, "  {:<wide$}  {all}  ■ met, · a gap, ✗ breached", "all");
    let _ = writeln!(out, "streak: {} of {STREAK} days met", streak.met);
    let shown = streak.days.len().saturating_sub(STREAK + usize::from(!streak.over));
    for day in streak.days[shown..].iter().filter(|day| day.mark != Mark::Met) {
        let (why, more) = day.why.split_at(day.why.len().min(REASONS));
        let more = if more.is_empty() { String::new() } else { format!("; {} more", more.len()) };
        let mark = if day.mark == Mark::Breached { "breached" } else { "a gap" };
        let why = if why.is_empty() { "nothing is demanded".to_owned() } else { why.join("; ") };
        let _ = writeln!(out, "  {} {mark}: {why}{more}", day.day);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Burns, Day, Judged, Severity, Strip};

    fn stands(name: &str, target: &str, verdict: Verdict, value: &str) -> Stands {
        let judged = Judged {
            id: "P1.1".to_owned(),
            name: name.to_owned(),
            target: target.to_owned(),
            verdict,
            value: value.to_owned(),
            samples: 3,
            unit: "play",
            sessions: 3,
            needs: None,
            goal: false,
            quarantined: false,
        };
        let days = vec![None, Some(1.0), Some(2.0)];
        Stands { judged, window: 28, newest: None, budget_left: None, left_out: Vec::new(), burns: Vec::new(), days }
    }

    fn burns(burning: Burning) -> Burns {
        let (severity, long) = (Severity::Page, Some(20.0));
        Burns { severity, budget: 0.02, within: 1.0, threshold: 14.4, long, short: long, burning }
    }

    fn day(day: i8, mark: Mark, why: &[&str]) -> Day {
        let why = why.iter().map(|reason| (*reason).to_owned()).collect();
        Day { day: jiff::civil::date(2026, 11, day), mark, why }
    }

    fn no_streak() -> Streak {
        Streak { met: 0, over: true, days: Vec::new(), pillars: Vec::new() }
    }

    fn standing(app: &str, objectives: Vec<Stands>, streak: Streak) -> Standing {
        let of = str::to_owned;
        let (until, time_zone) = (of("2026-11-23T00:00:00Z"), of("UTC"));
        Standing { app: of(app), environment: of(app), until, time_zone, objectives, streak }
    }

    #[test]
    fn an_objective_tells_its_value_its_budget_its_proof_and_what_burns() {
        let load = Stands {
            budget_left: Some(-1.5),
            burns: [Burning::Yes, Burning::TooFew, Burning::No].map(burns).into(),
            ..stands("hydra.load", "ratio >= 99 %", Verdict::Breached, "1 of 3")
        };
        let mut frame = stands("hydra.frame", "p95 <= 2.0 s", Verdict::NotEnoughData, "p95 not estimable");
        (frame.budget_left, frame.judged.needs) = (Some(0.998), Some("56 more".to_owned()));
        let mut memory = stands("hydra.memory", "max <= 150 MB", Verdict::NotEnoughData, "no sample");
        memory.judged.samples = 0;
        let goal =
            Stands { burns: vec![burns(Burning::Yes)], ..stands("video.init", "ratio >= 9 %", Verdict::Met, "3 of 3") };
        let goal = Stands { judged: Judged { goal: true, ..goal.judged.clone() }, ..goal };
        let wanted = "\
any in any, until 2026-11-23T00:00:00Z, days of UTC

hydra
  breached         P1.1   hydra.load    ratio >= 99 % over 28 d  ·▁█
                   1 of 3; budget spent 2.5 times
                   burns: page: 2 % of the budget within 1 h, 20.0 times too fast
                   may burn, of too few samples to tell from chance: page: 2 % of the budget within 1 h, 20.0 times too fast
  not enough data  P1.1   hydra.frame   p95 <= 2.0 s over 28 d   ·▁█
                   p95 not estimable; budget left 99 %
                   a proof needs 56 more
  not enough data  P1.1   hydra.memory  max <= 150 MB over 28 d  ·▁█
                   no sample

video
  met              P1.1   video.init    ratio >= 9 % over 28 d   ·▁█
                   3 of 3

3 objectives: 0 met, 1 breached, 2 without enough data
";
        assert_eq!(write(&standing("", vec![load, frame, memory, goal], no_streak())), wanted);
    }

    #[test]
    fn a_streak_tells_why_each_of_its_days_is_not_met() {
        let mut days: Vec<Day> = (1..14).map(|n| day(n, Mark::Met, &[])).collect();
        days[0] = day(1, Mark::Breached, &["long ago"]);
        days[9] = day(10, Mark::Breached, &["a breached", "b 0 of 1", "c 0 of 1", "d 0 of 1"]);
        days[10] = day(11, Mark::Gap, &["b 0 of 1"]);
        days.push(day(14, Mark::Gap, &[]));
        let strip = |pillar: &str, mark| Strip { pillar: pillar.to_owned(), days: vec![mark; 14] };
        let pillars = vec![strip("hydra", Mark::Met), strip("queue", Mark::Gap)];
        let streak = Streak { met: 2, over: false, days, pillars };
        let wanted = "\
days 2026-11-01 .. 2026-11-14, which is not over
  hydra  ■■■■■■■■■■■■■■
  queue  ··············
  all    ✗■■■■■■■■✗·■■·  ■ met, · a gap, ✗ breached
streak: 2 of 7 days met
  2026-11-10 breached: a breached; b 0 of 1; 2 more
  2026-11-11 a gap: b 0 of 1
  2026-11-14 a gap: nothing is demanded
";
        assert_eq!(strips(&streak), wanted);
        assert_eq!(strips(&no_streak()), "");
    }
}
