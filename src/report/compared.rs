//! Two lots compared, in a terminal: A and B of each measure, and whether they differ.

use crate::compare::{Compared, Side};
use crate::measure::left_out;
use crate::unit::{show_ms, show_percent};
use std::fmt::Write as _;

/// Measure by measure; first what A and B are, where they have names of their own.
pub fn write([a, b]: &[String; 2], all: &[Compared]) -> String {
    let mut out = match (a.as_str(), b.as_str()) {
        ("A", "B") => String::new(),
        (a, b) => format!("A: {a}\nB: {b}\n\n"),
    };
    if all.is_empty() {
        return out + "no measure has samples of both\n";
    }
    let wide = all.iter().map(|c| c.measure.chars().count()).max().unwrap_or(0);
    for compared in all {
        let side = |side: &Side| {
            let interval = side
                .interval
                .map_or(String::new(), |(low, high)| format!(" [{} .. {}]", show(compared, low), show(compared, high)));
            let of = if compared.value == "per minute" { format!("{:.1} min", side.of) } else { side.of.to_string() };
            let median = if side.interval.is_none() { "median " } else { "" };
            format!("{median}{}{interval} of {of}{}", show(compared, side.value), left_out(side.lost))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<wide$}  A {}", compared.measure, side(&compared.a));
        let _ = writeln!(out, "{:<wide$}  B {}", "", side(&compared.b));
        let _ = writeln!(out, "{:<wide$}  {}", "", answer(compared));
    }
    out
}

fn answer(compared: &Compared) -> String {
    let signed = |by: f64| match by {
        _ if by.is_infinite() => "unbounded".to_owned(),
        _ => format!("{}{}", if by < 0.0 { '-' } else { '+' }, show(compared, by.abs())),
    };
    if compared.differs {
        let interval =
            compared.interval.map_or(String::new(), |(low, high)| format!(" [{} .. {}]", signed(low), signed(high)));
        let p = if compared.p < 0.0001 { "below 0.0001".to_owned() } else { format!("{:.4}", compared.p) };
        return format!("B differs by {}{interval}, p {p}", signed(compared.shift));
    }
    let least = match (compared.detectable, compared.value) {
        (None, _) => "so few samples show nothing".to_owned(),
        (Some(part), "ms" | "bytes") => format!("the least detectable is {:.0} %", (part * 100.0).ceil().max(1.0)),
        (Some(from), _) => format!("the least detectable is a B of {}", show(compared, from)),
    };
    format!("no difference can be claimed, p {:.2}; {least}", compared.p)
}

fn show(compared: &Compared, value: f64) -> String {
    match compared.value {
        "share" => show_percent(value),
        "ms" => show_ms(value),
        "bytes" => format!("{:.1} MB", value / 1e6),
        _ => format!("{value:.2} /min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(value: &'static str, a: f64, b: f64) -> Compared {
        let side = |value| Side { of: 8.0, value, interval: None, lost: 0 };
        let (a, b, shift) = (side(a), side(b), b - a);
        let (interval, p, differs, detectable) = (None, 0.5, false, None);
        Compared { measure: "a measure", value, a, b, shift, interval, p, differs, detectable }
    }

    #[test]
    fn both_sides_and_the_answer_are_told() {
        let differs = Compared { differs: true, p: 0.012_34, ..compared("bytes", 2e7, 1.5e7) };
        let mut share = compared("share", 0.5, 1.0);
        share.b.lost = 2;
        let share = Compared { a: Side { interval: Some((0.25, 0.75)), ..share.a.clone() }, ..share };
        let rate = compared("per minute", 1.0, 1.0);
        let wanted = "\
A: --profile clean
B: --profile slow

a measure  A median 20.0 MB of 8
           B median 15.0 MB of 8
           B differs by -5.0 MB, p 0.0123
a measure  A 50 % [25 % .. 75 %] of 8
           B median 100 % of 8; 2 measurements without a usable time left out
           no difference can be claimed, p 0.50; so few samples show nothing
a measure  A median 1.00 /min of 8.0 min
           B median 1.00 /min of 8.0 min
           no difference can be claimed, p 0.50; so few samples show nothing
";
        let names = ["--profile clean", "--profile slow"].map(str::to_owned);
        assert_eq!(write(&names, &[differs, share, rate]), wanted);
        let own = ["A", "B"].map(str::to_owned);
        assert_eq!(write(&own, &[]), "no measure has samples of both\n");
    }

    #[test]
    fn an_answer_says_how_much_or_what_would_show() {
        let differs = Compared { differs: true, p: 0.000_01, ..compared("ms", 100.0, 350.0) };
        let interval = |low, high| Compared { interval: Some((low, high)), ..differs.clone() };
        assert_eq!(answer(&interval(-20.0, 300.0)), "B differs by +250 ms [-20 ms .. +300 ms], p below 0.0001");
        let unbounded = interval(f64::NEG_INFINITY, 300.0);
        assert_eq!(answer(&unbounded), "B differs by +250 ms [unbounded .. +300 ms], p below 0.0001");
        for (value, least, words) in [
            ("ms", 0.0, "the least detectable is 1 %"),
            ("bytes", 0.121, "the least detectable is 13 %"),
            ("share", 0.97, "the least detectable is a B of 97 %"),
            ("per minute", 0.5, "the least detectable is a B of 0.50 /min"),
        ] {
            let none = Compared { detectable: Some(least), ..compared(value, 1.0, 1.0) };
            assert_eq!(answer(&none), format!("no difference can be claimed, p 0.50; {words}"));
        }
    }
}
