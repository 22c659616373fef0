use super::*;
use proptest::prelude::*;

fn lot(measure: &str, samples: Samples) -> Lot {
    Lot::from([(measure.to_owned(), samples)])
}

fn one(measure: &str, a: Samples, b: Samples) -> Compared {
    let mut all = compare(&lot(measure, a), &lot(measure, b));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn trials(good: u64, total: u64) -> Samples {
    Samples::Trials { good, total }
}

#[test]
fn a_difference_is_claimed_where_chance_cannot_make_it() {
    let quick = |by: f64| Samples::Values((0..20).map(|n| 1000.0 + by + f64::from(n)).collect());
    let slower = one("first video frame", quick(0.0), quick(100.0));
    assert!(slower.differs && (slower.shift - 100.0).abs() < 1e-9, "{slower:?}");
    assert!(slower.interval.is_some_and(|(low, high)| (90.0..=100.0).contains(&low) && (100.0..110.0).contains(&high)));
    let fewer = one("video init", trials(100, 100), trials(90, 100));
    assert!(fewer.differs && (fewer.p - 0.001_5).abs() < 1e-4, "{fewer:?}");
    let rate = |count| Samples::Count { count, minutes: 10.0, lost: 0 };
    assert!(one("console errors", rate(1), rate(20)).differs);
}

#[test]
fn without_a_difference_the_least_detectable_is_said() {
    let alike = one("video init", trials(100, 100), trials(98, 100));
    assert!(!alike.differs && alike.p > 0.4, "{alike:?}");
    // Fisher: none and six of a hundred is 0.029, none and five 0.059.
    assert_eq!(alike.detectable, Some(0.94));
    let few = one("video init", trials(2, 2), trials(0, 2));
    assert_eq!((few.differs, few.detectable), (false, None), "not even all of two");
    let values = |n: u32| Samples::Values((1..=n).map(f64::from).collect());
    // Three of each wholly apart are one in ten by chance, four one in thirty-five.
    assert_eq!(one("first video frame", values(3), values(3)).detectable, None);
    assert!(one("first video frame", values(4), values(4)).detectable.is_some());
    let rate = |count| Samples::Count { count, minutes: 10.0, lost: 0 };
    let quiet = one("console errors", rate(0), rate(1));
    assert_eq!((quiet.differs, quiet.detectable), (false, Some(0.6)), "{quiet:?}");
    let same = Samples::Values((1..=30).map(|n| 1000.0 + f64::from(n)).collect());
    let same = one("first video frame", same.clone(), same);
    assert!(!same.differs && same.shift == 0.0 && same.detectable.is_some_and(|d| d > 0.0), "{same:?}");
}

#[test]
fn many_measures_make_no_chance_a_difference() {
    let measures: Vec<&str> =
        MEASURES.iter().filter(|m| (m.fold)().samples() == trials(0, 0)).map(|m| m.name()).collect();
    let all = |good| -> Lot { measures.iter().map(|m| ((*m).to_owned(), trials(good, 100))).collect() };
    let (alone, together) = (one(measures[0], trials(100, 100), trials(94, 100)), compare(&all(100), &all(94)));
    assert!(alone.differs && together.len() > 5 && together.iter().all(|c| !c.differs && c.p > alone.p));
}

#[test]
fn what_only_one_has_or_of_another_kind_is_not_compared() {
    for (a, b) in [(trials(1, 1), trials(0, 0)), (trials(1, 1), Samples::Values(vec![1.0]))] {
        assert!(compare(&lot("video init", a), &lot("video init", b)).is_empty());
    }
    assert!(compare(&lot("video init", trials(1, 1)), &lot("login", trials(1, 1))).is_empty());
    let never = Samples::Values(vec![f64::NAN, f64::INFINITY]);
    assert!(!one("first video frame", never.clone(), never).differs);
}

proptest! {
    #[test]
    fn a_lot_does_not_differ_from_itself_and_sides_may_change(
        (good_a, bad_a, good_b, bad_b) in (0_u64..200, 0_u64..20, 0_u64..200, 0_u64..20)
    ) {
        let (a, b) = (trials(good_a, good_a + bad_a + 1), trials(good_b, good_b + bad_b + 1));
        let (there, back) = (one("login", a.clone(), b.clone()), one("login", b, a.clone()));
        prop_assert!((0.0..=1.0).contains(&there.p));
        prop_assert!((there.p - back.p).abs() < 1e-9 && (there.shift + back.shift).abs() < 1e-12);
        let same = one("login", a.clone(), a);
        prop_assert!(!same.differs && same.p > 0.999);
    }
}
