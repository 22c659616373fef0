//! The tables of an app file that say what its videos show: `[counter]`, the clips whose pictures carry their number, and
//! `[seek]`, where a word leads.

use super::Check;
use crate::oracle::playback::Counter;
use crate::step::Action;
use crate::table::did_you_mean;
use crate::unit::Lead;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CounterFile {
    media: Spanned<Vec<Spanned<String>>>,
    fps: Spanned<f64>,
}

/// Words, and how far each leads.
pub(super) type SeekFile = BTreeMap<Spanned<String>, Lead>;

/// No film has more pictures a second.
const MOST_FPS: f64 = 1000.0;

impl Check<'_> {
    pub(super) fn counter(&mut self, file: CounterFile) -> Counter {
        if file.media.get_ref().is_empty() {
            self.problem(&file.media, "no clip", "write the paths of the clips, such as [\"/media/h264*.mp4\"]");
        }
        for path in file.media.get_ref().iter().filter(|p| !p.get_ref().starts_with(['/', '*'])) {
            let what = format!("`{}` never fits: a path begins with /", path.get_ref());
            self.problem(path, what, "write the path, with its query where it has one; `*` stands for any characters");
        }
        let fps = *file.fps.get_ref();
        if !(fps > 0.0 && fps <= MOST_FPS) {
            let what = format!("`{fps}` is no number of pictures a second");
            self.problem(&file.fps, what, "write how many the clips have, such as 30");
        }
        Counter { media: file.media.into_inner().into_iter().map(Spanned::into_inner).collect(), fps }
    }

    pub(super) fn seeks(&mut self, file: SeekFile, words: &BTreeMap<String, Vec<Action>>) -> BTreeMap<String, f64> {
        for word in file.keys().filter(|word| !words.contains_key(word.get_ref())) {
            let help = did_you_mean(word.get_ref(), words.keys().map(String::as_str));
            self.problem(word, format!("[word] has no `{}`", word.get_ref()), help);
        }
        file.into_iter().map(|(word, on)| (word.into_inner(), on.0)).collect()
    }
}
