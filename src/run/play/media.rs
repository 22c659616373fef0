//! What a play's media came to, once all its requests are told: each rule that an answer broke, and why its video failed.
//! Read back from the record, so that it costs the proxy nothing and `soundcheck judge` finds the same.

use super::super::Shared;
use crate::event::{Ids, Origin, read_since, url_hash};
use crate::media::Story;
use crate::media::class::Classed;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where in the record the play begins.
pub(super) struct Since {
    events: PathBuf,
    octet: u64,
}

impl Since {
    /// From here on. What is still queued belongs to the plays before, and is passed over by its session.
    pub(super) fn now(shared: &Shared<'_>) -> Self {
        let events = shared.settings.out.join("events.jsonl");
        let octet = std::fs::metadata(&events).map_or(0, |m| m.len());
        Self { events, octet }
    }

    /// Tells what the play's media broke, and a failed init with its class. The class of a play that `failed`.
    pub(super) async fn tell(
        &self,
        shared: &Shared<'_>,
        ids: &Ids,
        failed: bool,
        held: Option<(f64, Ids, Value)>,
    ) -> Option<Classed> {
        let story = self.story(shared, ids).await;
        for violation in story.violations() {
            let ids = Ids { media_url_hash: Some(url_hash(&violation.url)), ..ids.clone() };
            shared.log.write("media_violation", Origin::Monitor, shared.log.now_ms(), &ids, json!(violation));
        }
        let classed = story.class().filter(|_| failed);
        if let Some((t, ids, mut fields)) = held {
            if let Some(Classed { class, evidence }) = &classed {
                (fields["class"], fields["evidence"]) = (json!(class), json!(evidence));
                if class.is_proved()
                    && let Some(fields) = fields.as_object_mut()
                {
                    fields.remove("busy_host");
                }
            }
            shared.log.write("video_init_error", Origin::Monitor, t, &ids, fields);
        }
        classed
    }

    async fn story(&self, shared: &Shared<'_>, ids: &Ids) -> Story {
        let (log, events, octet) = (shared.log.clone(), self.events.clone(), self.octet);
        let session = format!("\"session_id\":\"{}\"", ids.session_id.as_deref().unwrap_or_default());
        let read = tokio::task::spawn_blocking(move || {
            log.sync()?;
            read_since(&events, octet, |line| {
                // The name stands near the beginning: the rest of a line is not searched for it.
                let names = |name: &&str| line.get(..80).is_some_and(|l| l.contains(&format!("\"event\":\"{name}\"")));
                Story::READS.iter().any(names) && line.contains(&session)
            })
        });
        let mut story = Story::default();
        match read.await {
            Ok(Ok(events)) => events.iter().for_each(|event| story.feed(event)),
            Ok(Err(why)) => tracing::warn!("the play's media is not classed: {why}"),
            Err(why) => tracing::warn!("the play's media is not classed: {why}"),
        }
        story
    }
}
