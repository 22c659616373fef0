//! The media element a step is about, as the page's probe tells of it.

use super::class::Element;
use crate::browser::probe::Video;

/// Follows the element that was given a source last since it began to watch, or else was asked to play: of an earlier one,
/// only samples come.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    id: Option<u64>,
    element: Element,
}

impl Watched {
    /// Takes what the probe told of an element.
    pub fn see(&mut self, video: &Video) {
        if video.audio {
            return;
        }
        let renewed = match video.ev.as_str() {
            "src" => true,
            "loadstart" => self.id != Some(video.id),
            // One that had its source before is asked to play.
            "play" => self.id.is_none(),
            _ => false,
        };
        if renewed {
            // What may not be drawn stays so: a texture does not say whose it was.
            let undrawable = self.element.undrawable.take();
            (self.id, self.element) = (Some(video.id), Element { undrawable, ..Element::default() });
        }
        if self.id != Some(video.id) {
            return;
        }
        let element = &mut self.element;
        if let Some(url) = video.src.as_ref().filter(|url| !url.is_empty()) {
            element.url = Some(url.clone());
        }
        element.ready_state = video.rs.or(element.ready_state);
        element.network_state = video.ns.or(element.network_state);
        element.position = video.ct.or(element.position);
        element.decoded |= video.ev == "frame";
        if let (Some(error), true) = (&video.error, video.ev == "error") {
            element.code.get_or_insert(error.code);
            element.message.clone_from(&error.message);
        }
    }

    /// WebGL would not draw a video.
    pub fn refused(&mut self, why: &str) {
        self.element.undrawable.get_or_insert_with(|| why.to_owned());
    }

    /// The element, once one was given a source.
    pub fn element(&self) -> Option<&Element> {
        self.id.map(|_| &self.element)
    }
}
