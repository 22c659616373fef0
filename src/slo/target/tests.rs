//! Verdicts: three answers, and none where nothing was seen.

use super::*;
use proptest::prelude::*;

const P95: Target = Target::Quantile(0.95, 2000.0);

#[test]
fn targets_read_as_they_are_written() {
    assert_eq!(Target::parse("ratio >= 99.5 %"), Ok(Target::Ratio(0.995)));
    assert_eq!(Target::parse("p95 <= 2.0 s"), Ok(Target::Quantile(0.95, 2000.0)));
    assert_eq!(Target::parse("none in >= 1000"), Ok(Target::NoneIn(1000)));
    assert_eq!(Target::parse("rate <= 0.1 /min"), Ok(Target::PerMinute(0.1)));
    assert_eq!(Target::parse("max <= 150 MB"), Ok(Target::MaxBytes(150e6)));
    for bad in [
        "",
        "ratio",
        "ratio >= 120 %",
        "ratio >= 0 %",
        "p0 <= 2 s",
        "p100 <= 2 s",
        "ratio <= 3 %",
        "p95 <= 2",
        "max <= NaN MB",
        "ratio >= 100 %",
        "none in >= 0",
        "none in 3",
        "none",
        "rate <= 0 /min",
        "p95 <= NaN s",
        "p95 <= inf s",
    ] {
        assert!(Target::parse(bad).is_err(), "{bad} was taken");
    }
}

#[test]
fn no_sample_never_passes() {
    for (samples, target) in [
        (Samples::Trials { good: 0, total: 0 }, Target::Ratio(0.5)),
        (Samples::Values(vec![]), Target::Quantile(0.95, 1.0)),
        (Samples::Bytes(vec![f64::NAN]), Target::MaxBytes(1.0)),
        (Samples::Count { count: 0, minutes: 0.0, lost: 0 }, Target::PerMinute(1.0)),
    ] {
        assert_eq!(target.judge(&samples).0, Verdict::NotEnoughData, "{samples:?}");
    }
}

#[test]
fn the_three_answers() {
    let trials = |good, total| Target::Ratio(0.995).judge(&Samples::Trials { good, total }).0;
    assert_eq!(trials(598, 598), Verdict::Met);
    assert_eq!(trials(597, 597), Verdict::NotEnoughData);
    assert_eq!(trials(9, 10), Verdict::Breached);
    let never = |n| P95.judge(&Samples::Values(vec![f64::INFINITY; n])).0;
    // Two of two too slow: under a p95 that holds, one in 400. One alone proves nothing.
    assert_eq!((never(1), never(2)), (Verdict::NotEnoughData, Verdict::Breached));
    let never = Samples::Values([vec![1.0; 5], vec![f64::INFINITY; 5]].concat());
    assert_eq!(P95.judge(&never).0, Verdict::Breached);
    let quick = Samples::Values(vec![10.0; 59]);
    assert_eq!(P95.judge(&quick).0, Verdict::Met);
    // With one too slow it takes 93.
    let one_slow = |n: usize| P95.judge(&Samples::Values([vec![10.0; n - 1], vec![9000.0]].concat()));
    assert_eq!(one_slow(59).2.as_deref(), Some("34 more, all in time"));
    assert_eq!((one_slow(92).0, one_slow(93).0), (Verdict::NotEnoughData, Verdict::Met));
}

/// A measurement without a usable time: never for *met*, and no breach of its own.
#[test]
fn what_has_no_time_is_left_out_and_counts_against_met() {
    let p95 = |quick: usize, slow: usize, lost: usize| {
        let parts = [vec![10.0; quick], vec![9000.0; slow], vec![f64::NAN; lost / 2], vec![-1.0; lost - lost / 2]];
        P95.judge(&Samples::Values(parts.concat()))
    };
    assert_eq!((p95(59, 0, 0).0, p95(59, 0, 1).0), (Verdict::Met, Verdict::NotEnoughData));
    // As if they had never come: with one such it takes 93.
    assert_eq!(p95(59, 0, 1).2.as_deref(), Some("33 more, all in time"));
    assert_eq!((p95(91, 0, 1).0, p95(92, 0, 1).0), (Verdict::NotEnoughData, Verdict::Met));
    assert_eq!(p95(59, 0, 1).1, p95(59, 0, 0).1, "the value is that of the others");
    assert_eq!(p95(0, 0, 100).0, Verdict::NotEnoughData, "however many");
    assert_eq!((p95(10, 0, 90).0, p95(10, 5, 90).0), (Verdict::NotEnoughData, Verdict::Breached));
    let spent = P95.spent(&Samples::Values(vec![10.0, 9000.0, f64::INFINITY, f64::NAN, -1.0]));
    assert_eq!((spent.bad, spent.of), (2, Exposure::Trials(3)), "nor does it burn a budget");

    let rate = |count, lost| Target::PerMinute(0.1).judge(&Samples::Count { count, minutes: 30.0, lost });
    assert_eq!((rate(0, 0).0, rate(0, 1).0), (Verdict::Met, Verdict::NotEnoughData));
    assert_eq!(rate(0, 1).2.as_deref(), Some("17.5 more quiet minutes"));
    assert_eq!((rate(2, 9).0, rate(9, 9).0), (Verdict::NotEnoughData, Verdict::Breached));
}

#[test]
fn a_size_that_is_none_hides_no_breach() {
    let of = |bytes: &[f64]| Target::MaxBytes(150e6).judge(&Samples::Bytes(bytes.to_vec()));
    let grown = of(&[f64::INFINITY, 200e6]);
    assert_eq!((grown.0, grown.1.as_str()), (Verdict::Breached, "200 MB, and 1 of no size"));
    assert_eq!(of(&[f64::INFINITY, 20e6]).0, Verdict::NotEnoughData);
    assert_eq!(of(&[20e6]).1, "20 MB");
}

#[test]
fn none_is_met_only_with_its_exposure_and_breached_by_one() {
    let trials = |good, total| Target::NoneIn(100).judge(&Samples::Trials { good, total });
    assert_eq!(trials(100, 100), (Verdict::Met, "0 in 100".to_owned(), None));
    assert_eq!(trials(99, 99).0, Verdict::NotEnoughData);
    assert_eq!(trials(99, 99).2.as_deref(), Some("1 more without a failure"));
    assert_eq!(trials(0, 1), (Verdict::Breached, "1 in 1".to_owned(), None));
    assert_eq!(trials(999_999, 1_000_000).0, Verdict::Breached);
    assert_eq!(trials(0, 0).0, Verdict::NotEnoughData);
}

#[test]
fn what_cannot_be_never_meets_a_target() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0];
    for value in odd {
        for values in [vec![value; 100], [vec![1.0; 20], vec![value; 5]].concat()] {
            assert_ne!(P95.judge(&Samples::Values(values.clone())).0, Verdict::Met, "{value}");
            let bytes = [values, vec![1.0]].concat();
            assert_ne!(Target::MaxBytes(1e9).judge(&Samples::Bytes(bytes)).0, Verdict::Met, "{value}");
        }
        let minutes = Samples::Count { count: 0, minutes: value, lost: 0 };
        assert_eq!(Target::PerMinute(0.1).judge(&minutes).0, Verdict::NotEnoughData, "{value}");
    }
    // More successes than trials: a score over 100 %.
    let over = Target::Ratio(0.99).judge(&Samples::Trials { good: 900, total: 100 });
    assert_eq!((over.0, over.1.contains("100 of 100")), (Verdict::NotEnoughData, true), "{over:?}");
    assert_eq!(Target::NoneIn(1).judge(&Samples::Trials { good: 9, total: 0 }).0, Verdict::NotEnoughData);
    let misfit = P95.judge(&Samples::Trials { good: 9, total: 9 });
    assert_eq!(misfit.0, Verdict::NotEnoughData);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_crashes_and_nothing_scores_over_a_hundred(
        good in any::<u64>(), total in any::<u32>(), values in proptest::collection::vec(any::<f64>(), 0..80),
        minutes in any::<f64>(), wanted in 0.0..1.0,
    ) {
        let good = good % 10_000_000;
        let trials = Samples::Trials { good, total: u64::from(total) % 10_000_000 };
        let (_, value, _) = Target::Ratio(wanted).judge(&trials);
        for percent in value.split(['[', ']']).nth(1).unwrap_or("0 %").split(" .. ") {
            let percent: f64 = percent.trim_end_matches(" %").parse().expect("a number");
            prop_assert!((0.0..=100.0).contains(&percent), "{}", value);
        }
        let spent = Target::Ratio(wanted).spent(&trials);
        prop_assert!(spent.bad as f64 <= spent.of.amount());
        let good = values.iter().filter(|v| **v >= 0.0 && **v <= 2000.0).count();
        let met = P95.judge(&Samples::Values(values.clone())).0 == Verdict::Met;
        prop_assert!(!met || good * 20 >= values.len() * 19);
        let lost = [values.clone(), vec![-1.0]].concat();
        prop_assert!(met || P95.judge(&Samples::Values(lost)).0 != Verdict::Met, "one more without a time");
        let _ = Target::MaxBytes(1e8).judge(&Samples::Bytes(values));
        let _ = Target::PerMinute(0.1).judge(&Samples::Count { count: u64::from(total), minutes, lost: 0 });
    }

    #[test]
    fn more_failures_never_turn_a_breach_into_anything_better(good in 0_u64..300, bad in 0_u64..30, wanted in 0.5..0.999) {
        let verdict = |bad| Target::Ratio(wanted).judge(&Samples::Trials { good, total: good + bad }).0;
        prop_assert!(verdict(bad + 1) >= verdict(bad) || verdict(bad) == Verdict::NotEnoughData);
        prop_assert!(verdict(bad) != Verdict::Met || bad == 0 || good > 0);
    }
}
