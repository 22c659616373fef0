//! Screenshots, with what must not be seen blacked out in the picture, not in the page: the app is never changed.

use crate::browser::session::Session;
use crate::oracle::playback::counter;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// A picture of the page, and what in it must not be seen.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    png: Arc<[u8]>,
    hidden: Vec<[f64; 4]>,
}

/// Takes a picture of the page. What failed is said in words: a missing picture is no failed step.
pub(super) async fn take(session: &Session, mask: &[String]) -> Result<Shot, String> {
    let (hidden, png) = tokio::join!(rectangles(session, mask), session.screenshot(LIMIT));
    Ok(Shot { hidden: hidden?, png: png.map_err(|e| e.to_string())?.into() })
}

impl Shot {
    /// Writes it, with what must not be seen blacked out: work to be done beside the next step.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let written = match self.hidden.is_empty() {
            true => std::fs::write(path, &self.png),
            false => std::fs::write(path, black_out(&self.png, &self.hidden)?),
        };
        written.map_err(|e| e.to_string())
    }

    /// The number that a clip's picture carries in it, by left, middle and width of its row of blocks in pixels.
    pub(super) fn number(&self, [left, middle, wide]: [f64; 3]) -> Option<u16> {
        let (pixels, info) = decode(&self.png).ok()?;
        let channels = info.color_type.samples();
        let inside = |at: f64, most: u32| (at >= 0.0 && at < f64::from(most)).then_some(at as usize);
        let (x, y) = (inside(left.round(), info.width)?, inside(middle, info.height)?);
        let row = pixels.get(y * info.line_size..(y + 1) * info.line_size)?;
        let line = row.get(x * channels..(x + wide.round() as usize) * channels)?;
        let luma = |p: &[u8]| match p {
            [r, g, b, ..] => ((u32::from(*r) * 77 + u32::from(*g) * 150 + u32::from(*b) * 29) >> 8) as u8,
            [grey, ..] => *grey,
            [] => 0,
        };
        counter::number(&line.chunks_exact(channels).map(luma).collect::<Vec<u8>>())
    }
}

/// Fields that nobody but the viewer may read, whatever the app's file says.
const PRIVATE: [&str; 3] = ["input[type=password i]", "[autocomplete=one-time-code]", "[autocomplete^=cc-]"];

/// Finds what is masked, in shadow trees and in frames of the page's own origin too: nobody else's can be looked into.
const FIND: &str = "(css) => { const all = []; const walk = (root, x, y) => { \
    for (const e of root.querySelectorAll(css)) { const r = e.getBoundingClientRect(); \
      all.push([r.left + x, r.top + y, r.width, r.height].map((v) => v * devicePixelRatio)); } \
    for (const e of root.querySelectorAll('*')) { if (e.shadowRoot) walk(e.shadowRoot, x, y); \
      if (e.tagName !== 'IFRAME' || !e.contentDocument) continue; const r = e.getBoundingClientRect(); \
      walk(e.contentDocument, x + r.left + e.clientLeft, y + r.top + e.clientTop); } }; \
    walk(document, 0, 0); return JSON.stringify(all); }";

/// Left, top, width and height in CSS pixels, as many as the selectors match.
async fn rectangles(session: &Session, mask: &[String]) -> Result<Vec<[f64; 4]>, String> {
    let selectors: Vec<&str> = PRIVATE.into_iter().chain(mask.iter().map(String::as_str)).collect();
    let script = format!("({FIND})({})", Value::from(selectors.join(", ")));
    let found = session.evaluate(&script, false, LIMIT).await.map_err(|e| e.to_string())?;
    serde_json::from_str(found.as_str().unwrap_or("[]")).map_err(|e| e.to_string())
}

fn decode(png: &[u8]) -> Result<(Vec<u8>, png::OutputInfo), String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
    Ok((pixels, info))
}

fn black_out(png: &[u8], hidden: &[[f64; 4]]) -> Result<Vec<u8>, String> {
    let (mut pixels, info) = decode(png)?;
    let (width, height) = (info.width as usize, info.height as usize);
    let channels = info.color_type.samples();
    let opaque = channels == 2 || channels == 4;
    for [left, top, wide, high] in hidden {
        let clamp = |v: f64, most: usize| (v.max(0.0) as usize).min(most);
        // A pixel more on each side: antialiased edges would show through.
        for y in clamp(top - 1.0, height)..clamp(top + high + 2.0, height) {
            for x in clamp(left - 1.0, width)..clamp(left + wide + 2.0, width) {
                let at = y * info.line_size + x * channels;
                pixels[at..at + channels].fill(0);
                if opaque {
                    pixels[at + channels - 1] = 255;
                }
            }
        }
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, info.width, info.height);
    encoder.set_color(info.color_type);
    encoder.set_depth(info.bit_depth);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(&pixels).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey screen of 700 by 80 with the row of number `n` at 40, 30, its blocks 32 wide.
    fn with_number(n: u16) -> Shot {
        let odd = |mask: u16| (n & mask).count_ones() % 2 == 1;
        let bits: Vec<bool> = [true, false]
            .into_iter()
            .chain((0..16).rev().map(|bit| n >> bit & 1 == 1))
            .chain([odd(0x5555), !odd(0xaaaa)])
            .collect();
        let mut pixels = vec![90u8; 700 * 80 * 3];
        for (y, line) in pixels.chunks_exact_mut(700 * 3).enumerate() {
            for (x, pixel) in line.chunks_exact_mut(3).enumerate() {
                if (30..62).contains(&y) && (40..680).contains(&x) {
                    pixel.fill(if bits[(x - 40) / 32] { 235 } else { 16 });
                }
            }
        }
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 700, 80);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&pixels).expect("pixels");
        writer.finish().expect("an end");
        Shot { png: png.into(), hidden: Vec::new() }
    }

    #[test]
    fn the_number_in_a_picture_is_read_where_it_is_and_nowhere_else() {
        for n in [0, 1, 511, 682, 899, 65_535] {
            assert_eq!(with_number(n).number([40.0, 46.0, 640.0]), Some(n));
        }
        let shot = with_number(682);
        for elsewhere in
            [[40.0, 10.0, 640.0], [72.0, 46.0, 600.0], [40.0, 46.0, 500.0], [-3.0, 46.0, 640.0], [40.0, 99.0, 640.0]]
        {
            assert_eq!(shot.number(elsewhere), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn the_masked_part_is_black_and_the_rest_is_not_touched() {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 20, 10);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&[200; 600]).expect("pixels");
        writer.finish().expect("an end");
        // Partly outside the picture, as an element at the edge of the viewport is.
        let masked = black_out(&png, &[[10.0, 2.0, 50.0, 3.0], [-5.0, -5.0, 2.0, 2.0]]).expect("masks");
        let mut reader = png::Decoder::new(std::io::Cursor::new(masked)).read_info().expect("reads");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("a frame");
        let at = |x: usize, y: usize| pixels[(y * 20 + x) * 3];
        assert_eq!((at(12, 3), at(19, 4), at(2, 3), at(12, 8)), (0, 0, 200, 200));
    }
}
