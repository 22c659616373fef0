//! Decisions from a seed: the same fault on the same request decides the same, in whatever order requests come.

/// The decisions of one fault on one request: a key, from which numbers are drawn by their own number. Drawing changes
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// The draw of fault `fault` in `journey` on the `nth` request of `method` and `url` from octet `start` on.
    pub fn new(seed: u64, fault: &str, journey: &str, method: &str, url: &str, start: u64, nth: u64) -> Self {
        let mut key = mix(seed);
        for text in [fault, journey, method, url] {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            key = text.bytes().fold(mix(key ^ text.len() as u64), |k, b| (k ^ u64::from(b)).wrapping_mul(FNV));
        }
        Self(mix(mix(key ^ start).wrapping_add(nth)))
    }

    /// The draw of a link, which knows no request.
    pub fn of_link(seed: u64, link: &str) -> Self {
        Self::new(seed, link, "", "", "", 0, 0)
    }

    /// 64 random bits, by their number.
    pub fn bits(self, number: u64) -> u64 {
        mix(self.0 ^ mix(number))
    }

    /// A number from 0 up to 1, by its number.
    pub fn unit(self, number: u64) -> f64 {
        unit(self.bits(number))
    }

    /// Another draw, independent of this one.
    pub fn branch(self, number: u64) -> Self {
        Self(mix(self.bits(number) ^ 0x5bd1_e995))
    }
}

/// Numbers one after another from a seed (SplitMix64: Steele, Lea, Flood 2014): for what is decided in a fixed order.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Every seed gives another sequence, the same one everywhere.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let bits = mix(self.0);
        self.0 = self.0.wrapping_add(STEP);
        bits
    }

    /// A number from 0 up to 1, which is not reached.
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// A number from 0 up to `n`, which is not reached; `n` is more than 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
}

const FNV: u64 = 0x0000_0100_0000_01b3;
/// What SplitMix64's state grows by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The 53 bits that a number below 1 has.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's next state and its finaliser: every input bit reaches every output bit.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_each_of_its_keys() {
        let base = Draw::new(1, "f", "j", "GET", "/a", 0, 1);
        assert_eq!(base, Draw::new(1, "f", "j", "GET", "/a", 0, 1));
        let others = [
            Draw::new(2, "f", "j", "GET", "/a", 0, 1),
            Draw::new(1, "g", "j", "GET", "/a", 0, 1),
            Draw::new(1, "f", "k", "GET", "/a", 0, 1),
            Draw::new(1, "fj", "", "GET", "/a", 0, 1),
            Draw::new(1, "f", "j", "HEAD", "/a", 0, 1),
            Draw::new(1, "f", "j", "GET", "/b", 0, 1),
            Draw::new(1, "f", "j", "GET", "/a", 1, 1),
            Draw::new(1, "f", "j", "GET", "/a", 0, 2),
            Draw::new(1, "f", "j", "GET", "/a", 1, 0),
        ];
        for (n, other) in others.iter().enumerate() {
            assert_ne!(base, *other, "key {n}");
        }
    }

    #[test]
    fn dice_roll_what_is_published() {
        let mut dice = Dice::new(1_234_567);
        let rolled = [(); 3].map(|()| dice.bits());
        assert_eq!(rolled, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&dice.unit()) && dice.below(6) < 6));
    }

    #[test]
    fn units_are_even() {
        let draw = Draw::of_link(7, "down");
        let mut tenths = [0u32; 10];
        (0..100_000).for_each(|n| tenths[(draw.unit(n) * 10.0) as usize] += 1);
        // 10,000 each; five standard deviations are 474.
        assert!(tenths.iter().all(|n| n.abs_diff(10_000) < 474), "{tenths:?}");
    }
}
