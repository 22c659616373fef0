//! The row of blocks at the top of the stage's clips, read from a screen. What the blocks mean, the stage's `clips` tells;
//! this reads them by its own means, at whatever size the page shows them.

/// Brightness kept of each line.
pub const LINE: usize = 64;
const COLUMNS: usize = 20;
/// A clip has so many frames.
const FRAMES: u16 = 900;
const WHITE: f64 = 0.6 * 255.0;
const BLACK: f64 = 0.4 * 255.0;
/// Sides of a block that are looked for, pixels.
const SIDES: std::ops::Range<usize> = 12..90;

/// Where the picture is.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its left edge.
    pub x: i16,
    /// Its width.
    pub wide: u16,
    /// A line through the middle of the blocks.
    pub row: i16,
    /// A line through the middle of the picture.
    pub middle: i16,
    /// The side of a block.
    pub block: f64,
}

/// Brightness of a line of pixels of blue, green, red and nothing.
pub fn luma(pixels: &[u8]) -> Vec<u8> {
    let mix = |p: &[u8]| ((u32::from(p[0]) * 29 + u32::from(p[1]) * 150 + u32::from(p[2]) * 77) >> 8) as u8;
    pixels.chunks_exact(4).map(mix).collect()
}

/// The frame number in a line whose first block begins at `x0`. The inner half of each block must be of one colour.
pub fn number(line: &[u8], x0: f64, block: f64) -> Option<u16> {
    let mut bits = [false; COLUMNS];
    for (column, bit) in bits.iter_mut().enumerate() {
        let from = (x0 + (column as f64 + 0.25) * block).round() as usize;
        let to = (x0 + (column as f64 + 0.75) * block).round() as usize;
        let inner = line.get(from..to).filter(|inner| !inner.is_empty())?;
        let mean = inner.iter().map(|&v| f64::from(v)).sum::<f64>() / inner.len() as f64;
        let alike = inner.iter().all(|&v| (f64::from(v) - mean).abs() < 50.0);
        *bit = match mean {
            m if m > WHITE && alike => true,
            m if m < BLACK && alike => false,
            _ => return None,
        };
    }
    let n = bits[2..18].iter().fold(0u16, |n, &bit| n << 1 | u16::from(bit));
    let odd = |mask: u16| (n & mask).count_ones() % 2 == 1;
    let whole = bits[0] && !bits[1] && bits[18] == odd(0x5555) && bits[19] != odd(0xaaaa);
    (whole && n < FRAMES).then_some(n)
}

/// Looks for the row on a screen.
pub fn find(lines: &[Vec<u8>]) -> Option<Place> {
    (0..lines.len())
        .step_by(5)
        .find_map(|y| starts(&lines[y]).into_iter().find_map(|(x, wide)| place(lines, x, y, wide)))
}

/// White runs with at least six as long black ones behind: the sync pair, and the bits that no clip is long enough for.
fn starts(line: &[u8]) -> Vec<(usize, usize)> {
    let white = |x: &usize| line.get(*x).is_some_and(|&v| f64::from(v) > WHITE);
    let mut found = Vec::new();
    let mut x = 0;
    while x < line.len() {
        let wide = (x..line.len()).take_while(white).count();
        let dark = || (x + wide + 2..line.len()).take_while(|x| f64::from(line[*x]) < BLACK).count();
        if SIDES.contains(&wide) && dark() >= 6 * wide {
            found.push((x, wide));
        }
        x += wide.max(1);
    }
    found
}

fn place(lines: &[Vec<u8>], x: usize, y: usize, wide: usize) -> Option<Place> {
    // A block's side in fractions of a pixel: the middle of those that read the same number, of the most that do.
    let sides = (-40..=40).map(|n| wide as f64 + f64::from(n) * 0.05);
    let read: Vec<(f64, Option<u16>)> = sides.map(|side| (side, number(&lines[y], x as f64, side))).collect();
    let alike = read.chunk_by(|a, b| a.1 == b.1).filter(|run| run[0].1.is_some()).max_by_key(|run| run.len())?;
    let block = (alike[0].0 + alike[alike.len() - 1].0) / 2.0;
    let same = |y: &usize| lines.get(*y).is_some_and(|line| number(line, x as f64, block).is_some());
    let (up, down) = ((0..=y).rev().take_while(same).count(), (y..lines.len()).take_while(same).count());
    let top = y + 1 - up;
    // A row is about as high as a block is wide, or it is something else.
    (up + down > (block * 0.6) as usize).then(|| Place {
        x: x as i16,
        wide: (block * COLUMNS as f64).round().min((lines[y].len() - x) as f64) as u16,
        row: (top + (up + down) / 2) as i16,
        middle: (top as f64 + block * COLUMNS as f64 * 9.0 / 32.0) as i16,
        block,
    })
}

mod tests {
    use super::*;

    /// A screen with the row of `n`, its blocks `side` wide, at 40, 30.
    fn screen(n: u16, side: f64) -> Vec<Vec<u8>> {
        let odd = |mask: u16| (n & mask).count_ones() % 2 == 1;
        let mut bits = vec![true, false];
        bits.extend((0..16).rev().map(|bit| n >> bit & 1 == 1));
        bits.extend([odd(0x5555), !odd(0xaaaa)]);
        let mut lines = vec![vec![90; 1280]; 700];
        for line in &mut lines[30..30 + side as usize] {
            for (x, pixel) in line[40..40 + (20.0 * side) as usize].iter_mut().enumerate() {
                *pixel = if bits[((x as f64 / side) as usize).min(19)] { 240 } else { 10 };
            }
        }
        lines
    }

    #[test]
    fn the_row_is_found_at_any_size_and_its_number_read() {
        for side in [16.0, 32.0, 43.3, 47.5] {
            for n in [0, 1, 511, 682, 899] {
                let lines = screen(n, side);
                let place = find(&lines).unwrap_or_else(|| panic!("{n} at {side}"));
                assert!((place.block - side).abs() < 0.6, "{side}: {place:?}");
                let line = &lines[place.row as usize][place.x as usize..][..place.wide as usize];
                assert_eq!(number(line, 0.0, place.block), Some(n), "{side}: {place:?}");
            }
        }
    }

    #[test]
    fn a_screen_without_it_shows_nothing() {
        assert_eq!(find(&vec![vec![0; 1280]; 700]), None);
        assert_eq!(find(&vec![vec![255; 1280]; 700]), None);
        let mut torn = screen(682, 32.0);
        for line in &mut torn {
            line[40 + 18 * 32..40 + 19 * 32].fill(240);
        }
        assert_eq!(find(&torn), None);
    }
}
