//! A series in a line.

/// A line of bars between the least and the most; `None` is a gap, and shows as one.
pub(super) fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: &Option<f64>| match value {
        None => '·',
        Some(value) if !value.is_finite() => '█',
        Some(_) if most <= least => '▄',
        Some(value) => BARS[((value - least) / (most - least) * 7.0).round() as usize],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_from_the_least_to_the_most_and_a_gap_shows() {
        assert_eq!(sparkline(&[Some(0.0), Some(3.5), None, Some(7.0), Some(f64::INFINITY)]), "▁▅·██");
        assert_eq!(sparkline(&[Some(2.0), Some(2.0)]), "▄▄");
        assert_eq!(sparkline(&[None, Some(f64::NAN)]), "·█");
        assert_eq!(sparkline(&[]), "");
    }
}
