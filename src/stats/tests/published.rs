//! The published tables, to the last digit.

use super::*;

#[test]
fn runs_needed_for_nought_to_five_failures() {
    let table: [(f64, [u64; 6], [u64; 6]); 5] = [
        (0.99, [299, 473, 628, 773, 913, 1049], [459, 662, 838, 1001, 1157, 1307]),
        (0.995, [598, 947, 1258, 1549, 1829, 2100], [919, 1325, 1678, 2006, 2318, 2618]),
        (0.999, [2995, 4742, 6294, 7752, 9151, 10511], [4603, 6636, 8403, 10042, 11601, 13105]),
        (0.9995, [5990, 9486, 12590, 15505, 18305, 21024], [9209, 13274, 16809, 20087, 23206, 26213]),
        (0.9999, [29956, 47437, 62956, 77535, 91533, 105_128], [46050, 66381, 84057, 100_448, 116_043, 131_081]),
    ];
    for (target, at_95, at_99) in table {
        for (failures, (at_95, at_99)) in (0..).zip(at_95.into_iter().zip(at_99)) {
            for (alpha, runs) in [(0.05, at_95), (0.01, at_99)] {
                let more = ratio::runs_needed_at(alpha, 0, failures, target).expect("a reachable target");
                assert_eq!(more + failures, runs, "{target} with {failures} failures at {alpha}");
            }
        }
    }
    assert_eq!(clean_runs_needed(0, 0, 1.0), None);
}

#[test]
fn intervals_of_a_ratio() {
    let digits = |value: f64, digits: i32| (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
    let two_sided = |good, total| (ratio::lower_at(0.025, good, total), ratio::upper_at(0.025, good, total));
    let (low, high) = wilson(59, 60);
    assert_eq!((digits(low, 3), digits(high, 3)), (0.911, 0.997));
    let (low, high) = two_sided(59, 60);
    assert_eq!((digits(low, 3), digits(high, 4)), (0.911, 0.9996));
    let (low, high) = wilson(995, 1000);
    // 0.98835: printed as 0.9884 by who rounds twice.
    assert_eq!((digits(low, 5), digits(high, 4)), (0.98835, 0.9979));
    assert_eq!(digits(two_sided(1000, 1000).0, 4), 0.9963);
    let (low, high) = wilson(97, 100);
    assert_eq!((digits(low, 4), digits(high, 4)), (0.9155, 0.9897));
    assert_eq!(wilson(0, 0), (0.0, 1.0));
}

#[test]
fn ranks_of_a_percentile() {
    /// Lower and upper, where they can be had.
    type Ranks = Option<(u64, Option<u64>)>;
    let n = None;
    let table: [(u64, [Ranks; 4]); 5] = [
        (20, [Some((6, Some(15))), Some((11, Some(19))), Some((17, n)), None]),
        (60, [Some((22, Some(39))), Some((38, Some(52))), Some((53, n)), None]),
        (100, [Some((40, Some(61))), Some((66, Some(84))), Some((90, Some(100))), Some((97, n))]),
        (300, [Some((133, Some(168))), Some((210, Some(240))), Some((277, Some(293))), Some((293, n))]),
        (1000, [Some((469, Some(532))), Some((723, Some(778))), Some((936, Some(964))), Some((983, Some(997)))]),
    ];
    for (values, row) in table {
        for (q, wanted) in [0.5, 0.75, 0.95, 0.99].into_iter().zip(row) {
            let (lower, upper) = quantile::ranks_at(0.025, values, q);
            match wanted {
                Some((l, u)) => assert_eq!((lower, upper), (Some(l), u), "p{} of {values}", q * 100.0),
                None => assert_eq!(upper, None, "p{} of {values}", q * 100.0),
            }
        }
    }
}

#[test]
fn a_percentile_needs_enough_values() {
    for (q, needed) in [(0.5, 5), (0.75, 11), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)] {
        assert_eq!(values_needed(q), needed);
        let mut values: Vec<f64> = (1..=needed).rev().map(|v| v as f64).collect();
        assert_eq!(quantile_bounds(&mut values, q).1, Some(needed as f64));
        assert_eq!(quantile_bounds(&mut values[1..], q).1, None);
    }
    assert_eq!(quantile(&mut [], 0.95), None);
    assert_eq!(quantile_bounds(&mut [], 0.95), (None, None));
}

#[test]
fn thirty_quiet_minutes_prove_a_tenth_of_an_error_a_minute() {
    assert!((exposure_needed(0, 0.0, 0.1) - 29.957).abs() < 0.001);
    assert!(rate_bounds(0, 29.9).1 > 0.1 && rate_bounds(0, 30.0).1 < 0.1);
}

/// Values a side that find a change nine times of ten, by the noise: within the coarse grid the reference simulated on.
#[test]
fn the_least_change_that_is_found() {
    for (noise, values, change) in [(0.05, 30, 0.05), (0.1, 30, 0.1), (0.2, 120, 0.1), (0.2, 40, 0.2), (0.4, 160, 0.2)]
    {
        // Half a lot above and half below by one deviation has that deviation, as the robust one measures it.
        let lot: Vec<f64> = (0..values).map(|n| (if n % 2 == 0 { noise } else { -noise } / 1.4826_f64).exp()).collect();
        let found = detectable(&lot, &lot).expect("enough values");
        assert!((found / change - 1.0).abs() < 0.25, "noise {noise}, {values} values: {found}, not {change}");
    }
    assert_eq!(detectable(&[1.0], &[1.0]), None);
}
