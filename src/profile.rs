//! Floor 3. A profile: what the network does while a journey is played. This version ships one, `clean`, under which
//! the browser reaches the app directly and nothing is changed.

use crate::error::Result;
use crate::source::Source;
use serde::Deserialize;

/// A network profile, checked.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How plans, events and reports call it.
    pub name: String,
    /// The question it answers.
    pub question: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    question: String,
}

impl Profile {
    /// Reads and checks a profile file.
    pub fn read(source: &Source) -> Result<Self> {
        let file: File = source.parse()?;
        let name = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, question: file.question })
    }
}
