//! Screenshots, with what must not be seen blacked out in the picture, not in the page: the app is never changed.

use crate::browser::session::Session;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Takes a picture of the page; the work that blacks out and writes it is given back, to be done beside the next step.
/// What failed is said in words: a missing picture is no failed step.
pub(super) async fn take(
    session: &Session,
    mask: &[String],
    path: &Path,
) -> Result<impl FnOnce() -> Result<(), String> + Send + 'static, String> {
    let (hidden, png) = tokio::join!(rectangles(session, mask), session.screenshot(LIMIT));
    let (hidden, png, path) = (hidden?, png.map_err(|e| e.to_string())?, path.to_owned());
    Ok(move || {
        let png = if hidden.is_empty() { png } else { black_out(&png, &hidden)? };
        std::fs::write(&path, png).map_err(|e| e.to_string())
    })
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

fn black_out(png: &[u8], hidden: &[[f64; 4]]) -> Result<Vec<u8>, String> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|e| e.to_string())?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("the picture is too large")?];
    let info = reader.next_frame(&mut pixels).map_err(|e| e.to_string())?;
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
