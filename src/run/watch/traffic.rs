//! What page and server say to each other, as events; and what the page tells of itself.

use super::Watch;
use super::exchanges::Over;
use crate::browser::notice::Notice;
use crate::browser::probe::PageIds;
use crate::event::{Ids, Origin};
use crate::oracle::Seen;
use crate::secret::Secrets;
use crate::traffic::Told;
use serde_json::json;

/// Letters kept of what a page shows when its app fell back.
const SHOWN: usize = 200;

impl Watch {
    /// A request begins or ends that the app file gives a meaning.
    pub(super) fn asked(&mut self, notice: &Notice) {
        let told = self.requests.take(notice, self.zero);
        self.tell(told);
    }

    /// A request begins or ends that no proxy tells of.
    pub(super) fn exchanged(&mut self, notice: &Notice) {
        let over = self.exchanges.take(notice, self.zero, &self.now);
        self.tell_over(over);
    }

    /// Writes such requests, each with the ids of the step it began in.
    pub(super) fn tell_over(&self, all: Vec<Over>) {
        for Over { event, t, ids, fields } in all {
            self.log.write(event, Origin::Browser, t, &ids, fields);
        }
    }

    /// Writes what was said, and keeps it for the step's oracle.
    pub(super) fn tell(&mut self, all: impl IntoIterator<Item = Told>) {
        for mut told in all {
            if let Some(ids) = told.ids.take() {
                self.say(ids);
            }
            self.owed.see(&told);
            let ids = there(&self.ids, told.room.take(), self.log.secrets());
            self.log.write(told.event, Origin::Browser, told.t, &ids, told.fields.clone());
            self.queue.push_back((told.t, Seen::Told(told)));
        }
    }

    /// The page's ids from now on; an empty one is none. And whether it says that its app fell back.
    pub(in crate::run) fn say(&mut self, ids: PageIds) {
        // A page may name its viewer by an address.
        let hidden = |id: String| self.log.secrets().hide(&id);
        let [room, user, preset, fallback] = ids.map(|id| id.filter(|v| !v.is_empty()).map(hidden));
        (self.ids.room_id, self.ids.user_id, self.ids.preset_id) = (room, user, preset);
        self.now.set(&self.ids);
        if fallback != self.fell_back
            && let Some(shown) = &fallback
        {
            let shown: String = shown.chars().take(SHOWN).collect();
            let t = self.log.now_ms();
            let fields = json!({ "reason": shown, "by": "page" });
            self.write("hydra_fallback_applied", Origin::Monitor, t, fields.clone());
            let told = Told { event: "hydra_fallback_applied", t, fields, ids: None, room: None };
            self.queue.push_back((t, Seen::Told(told)));
        }
        self.fell_back = fallback;
    }
}

/// The ids of something that was said about a room, if its request names one: who made the room may have named it by an address.
fn there(ids: &Ids, room: Option<String>, secrets: &Secrets) -> Ids {
    let room_id = room.map(|room| secrets.hide(&room)).or_else(|| ids.room_id.clone());
    Ids { room_id, ..ids.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_a_request_names_is_told_without_secrets() {
        let secrets = Secrets::default();
        secrets.add("otter&basic'3");
        let ids = Ids { room_id: Some("lobby".to_owned()), user_id: Some("u".to_owned()), ..Ids::default() };
        for (named, told) in [
            (None, "lobby"),
            (Some("attic"), "attic"),
            (Some("ann%40example.org"), "[redacted]"),
            (Some("of-otter%26basic'3"), "of-[redacted]"),
        ] {
            let there = there(&ids, named.map(str::to_owned), &secrets);
            assert_eq!((there.room_id.as_deref(), there.user_id.as_deref()), (Some(told), Some("u")));
        }
    }
}
