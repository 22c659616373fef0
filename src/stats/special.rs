//! Distribution functions, by the continued fractions and the series that everyone uses (Numerical Recipes, ch. 6).

/// Natural logarithm of the gamma function for `x > 0` (Lanczos, g = 7, n = 9: relative error below 1e-13).
pub(super) fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let sum = C.iter().enumerate().skip(1).fold(C[0], |sum, (i, c)| sum + c / (x + i as f64));
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// Terms of a fraction or a series. They take some multiple of the root of the largest argument to settle: this is
/// enough for ten thousand million samples.
const TERMS: u32 = 1_000_000;
const SETTLED: f64 = 1e-15;
/// In place of a zero to divide by.
const TINY: f64 = 1e-300;

/// A continued fraction by Lentz's method: `b0 + a1/(b1 + a2/(b2 + ...))`; `term` gives a and b of each, from 1.
fn fraction(b0: f64, term: impl Fn(f64) -> (f64, f64)) -> f64 {
    let away_from_zero = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut value = away_from_zero(b0);
    let (mut c, mut d) = (value, 0.0);
    for n in 1..TERMS {
        let (a, b) = term(f64::from(n));
        d = 1.0 / away_from_zero(b + a * d);
        c = away_from_zero(b + a / c);
        value *= c * d;
        if (c * d - 1.0).abs() < SETTLED {
            break;
        }
    }
    value
}

/// The regularised incomplete beta function.
pub(super) fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return f64::from(x >= 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp() / a;
    let below = fraction(1.0, |n| {
        let m = (n / 2.0).floor();
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        (if n % 2.0 == 0.0 { even } else { odd }, 1.0)
    });
    (front / below).clamp(0.0, 1.0)
}

/// The regularised upper incomplete gamma function.
pub(super) fn gamma_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * SETTLED {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    (front / fraction(x + 1.0 - a, |n| (-n * (n - a), x + 2.0 * n + 1.0 - a))).clamp(0.0, 1.0)
}

/// P(X <= k) of a binomial.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n { 1.0 } else { beta((n - k) as f64, k as f64 + 1.0, 1.0 - p) }
}

/// P(X <= k) of a Poisson with mean `mean`.
pub fn poisson_cdf(k: u64, mean: f64) -> f64 {
    gamma_upper(k as f64 + 1.0, mean)
}

/// P(X > z) of a standard normal.
pub(super) fn normal_above(z: f64) -> f64 {
    let tail = 0.5 * gamma_upper(0.5, z * z / 2.0);
    if z < 0.0 { 1.0 - tail } else { tail }
}
