//! A value as it may be written, wherever it is told. Whoever looks for the forms sees no difference of case, so each of them
//! is there once.

use super::SHORTEST;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// An encoding within another has lost some letters at its ends; what is left must still be its own.
const CUT_SHORTEST: usize = 8;
/// A longer value is a document, which nobody encodes into a URL.
const DOCUMENT: usize = 1024;

/// What forms leave as it is, besides letters and digits.
const FORM: &str = "*-._";
/// The same of `encodeURIComponent`.
const COMPONENT: &str = "-_.!~*'()";
/// And of the others that write URLs.
const LEFT: [&str; 7] = [
    // A path of either.
    "*-._/",
    "-_.!~*'()/",
    // `encodeURI`.
    "-_.!~*'();/?:@&=+$,#",
    // RFC 3986: Go, PHP, Python.
    "-._~",
    "-._~/",
    // A browser that reads an address: in its query, and in its path.
    "!$%&()*+,-./:;=?@[\\]^_`{|}~",
    "!$%&'()*+,-./:;=@[\\]_|~",
];

/// All of them: as it is, percent-encoded, in JSON, in HTML, in hexadecimal, and in base64 wherever it begins in what is
/// encoded.
pub(super) fn of(value: &str) -> Vec<String> {
    let mut all = vec![value.to_owned()];
    let short = value.len() <= DOCUMENT;
    // What everybody leaves as it is has few forms, and so have most cookies.
    if value.bytes().any(|b| !b.is_ascii_alphanumeric() && !b"-._".contains(&b)) {
        all.extend(json(value));
        if short {
            all.extend(percent_encoded(value));
            all.extend(html(value));
        }
    }
    if short {
        all.push(value.bytes().map(|b| format!("{b:02x}")).collect());
        all.extend(base64(value));
    }
    all.retain(|form| form.len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}

fn percent_encoded(value: &str) -> Vec<String> {
    let (form, component) = (percent(value, FORM), percent(value, COMPONENT));
    let mut all = vec![form.replace("%20", "+"), form.replace('%', "%25"), component.replace('%', "%25")];
    all.extend(LEFT.map(|left| percent(value, left)));
    all.extend([form, component]);
    all
}

fn percent(value: &str, left: &str) -> String {
    let digit = |n: u8| char::from(b"0123456789ABCDEF"[usize::from(n)]);
    let mut out = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet.is_ascii_alphanumeric() || left.as_bytes().contains(&octet) {
            true => out.push(char::from(octet)),
            false => out.extend(['%', digit(octet >> 4), digit(octet & 15)]),
        }
    }
    out
}

/// Within the quotes of JSON.
fn json(value: &str) -> Vec<String> {
    let quoted = |text: &str| {
        let json = Value::from(text).to_string();
        json[1..json.len() - 1].to_owned()
    };
    let plain = quoted(value);
    if value.len() > DOCUMENT {
        return vec![plain];
    }
    let within = quoted(&plain);
    // Go and Rails let it stand in a page, and others go further.
    let markup = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let single = markup.replace('\'', "\\u0027");
    let double = single.replace("\\\"", "\\u0022");
    let mut all = vec![plain, markup, single, double];
    // PHP.
    let slashed: Vec<String> = all.iter().map(|json| json.replace('/', "\\/")).collect();
    all.extend(slashed);
    // Python, and PHP.
    let ascii: Vec<String> = all.iter().map(|json| ascii(json)).collect();
    all.extend(ascii);
    all.push(within);
    all
}

/// JSON with nothing but ASCII in it.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter.is_ascii() {
            true => out.push(letter),
            false => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}")),
        }
    }
    out
}

fn html(value: &str) -> Vec<String> {
    const MARKS: [char; 5] = ['&', '<', '>', '"', '\''];
    if !value.contains(MARKS) {
        return Vec::new();
    }
    let ampersand = value.replace('&', "&amp;");
    let named = ampersand.replace('<', "&lt;").replace('>', "&gt;");
    // A browser leaves these two in what it says of an attribute.
    let mut all = vec![ampersand.replace('"', "&quot;")];
    for double in ["\"", "&quot;", "&#34;", "&#x22;"] {
        for single in ["'", "&apos;", "&#39;", "&#x27;"] {
            all.push(named.replace('"', double).replace('\'', single));
        }
    }
    // As templates write what may not stand in a text.
    let numbers: [fn(u32) -> String; 2] = [|n| format!("&#{n};"), |n| format!("&#x{n:x};")];
    for number in numbers {
        all.push(MARKS.iter().fold(value.to_owned(), |text, mark| text.replace(*mark, &number(u32::from(*mark)))));
    }
    all
}

fn base64(value: &str) -> Vec<String> {
    let mut all = Vec::new();
    for before in 0..3 {
        let text = [&b"\0\0"[..before], value.as_bytes()].concat();
        // The letters at both ends hold bits of what stands around it.
        let from = (before * 8).div_ceil(6);
        let to = text.len() * 8 / 6;
        let encoded = STANDARD_NO_PAD.encode(&text);
        let whole = if before == 0 { encoded.as_str() } else { &encoded[from..to] };
        let within = &encoded[from..to];
        let least = if before == 0 { SHORTEST } else { CUT_SHORTEST };
        for part in [whole, within].into_iter().filter(|p| p.len() >= least) {
            all.extend([part.to_owned(), part.replace('+', "-").replace('/', "_")]);
            all.push(part.replace('+', "%2B").replace('/', "%2F"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_as_every_language_writes_it() {
        for (value, forms) in [
            (
                "otter&basic'3!",
                &[
                    "otter%26basic%273%21",
                    "otter%26basic'3!",
                    "otter%2526basic'3!",
                    "otter&basic%273!",
                    "otter\\u0026basic'3!",
                    "otter\\u0026basic\\u00273!",
                    "otter&amp;basic'3!",
                    "otter&amp;basic&#39;3!",
                    "otter&amp;basic&#x27;3!",
                    "otter&amp;basic&apos;3!",
                    "otter&#38;basic&#39;3!",
                    "otter&#x26;basic&#x27;3!",
                ][..],
            ),
            (
                "a <b@c>/\"d~",
                &[
                    "a+%3Cb%40c%3E%2F%22d%7E",
                    "a%20%3Cb%40c%3E%2F%22d%7E",
                    "a%20%3Cb%40c%3E/%22d%7E",
                    "a%20%3Cb%40c%3E%2F%22d~",
                    "a%20%3Cb%40c%3E/%22d~",
                    "a%20%3Cb@c%3E/%22d~",
                    "a%2520%253Cb%2540c%253E%252F%2522d%257E",
                    r#"a <b@c>/\"d~"#,
                    r#"a <b@c>\/\"d~"#,
                    r#"a \u003cb@c\u003e/\"d~"#,
                    r#"a \u003cb@c\u003e/\u0022d~"#,
                    r#"a \u003cb@c\u003e\/\u0022d~"#,
                    r#"a <b@c>/\\\"d~"#,
                    "a &lt;b@c&gt;/\"d~",
                    "a <b@c>/&quot;d~",
                    "a &lt;b@c&gt;/&quot;d~",
                    "a &lt;b@c&gt;/&#34;d~",
                    "a &lt;b@c&gt;/&#x22;d~",
                    "a &#x3c;b@c&#x3e;/&#x22;d~",
                ],
            ),
            ("größe/😀", &[r"gr\u00f6\u00dfe/\ud83d\ude00", r"gr\u00f6\u00dfe\/\ud83d\ude00", r"größe\/😀"]),
            ("ends with\"", &[r#"ends with\""#]),
        ] {
            let known = of(value);
            for form in forms {
                assert!(known.iter().any(|k| k.eq_ignore_ascii_case(form)), "{form}: {known:#?}");
            }
        }
    }

    /// Every form of every secret is looked for in every event.
    #[test]
    fn a_plain_value_has_few_forms_and_a_document_two() {
        let plain = of("plain-secret-17");
        assert!(plain.len() <= 10, "{plain:#?}");
        assert_eq!(of(&"a \"<'ö/".repeat(1000)).len(), 2);
        let worst = of(&"<&'\"/ö".repeat(DOCUMENT / 7));
        assert!(worst.len() < 60 && worst.iter().map(String::len).sum::<usize>() < 256 * 1024);
    }
}
