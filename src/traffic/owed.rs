//! What was asked for last, and is not answered yet: a play that ends now would never know.

use super::Told;

/// What begins, and how it may end.
const ANSWERS: [(&str, &[&str]); 3] = [
    ("queue_cmd_sent", &["queue_cmd_applied", "queue_cmd_rejected"]),
    ("auth_login_start", &["auth_login_success", "auth_login_failure"]),
    ("room_join_start", &["room_join_success", "room_join_failure"]),
];

/// What is under way between page and server.
#[derive(Debug, Default)]
pub struct Owed(Vec<(&'static str, String, f64)>);

impl Owed {
    /// Takes what was said.
    pub fn see(&mut self, told: &Told) {
        let id = told.text("cmd_id");
        for (start, ends) in ANSWERS {
            let is = |(begun, of, _): &(&str, String, f64)| *begun == start && of == id;
            // A command without an id is answered by nothing that is known, and one that is sent again is one.
            let command = start == "queue_cmd_sent";
            if told.event == start && !(command && id.is_empty()) {
                self.0.retain(|one| !(command && is(one)));
                self.0.push((start, id.to_owned(), told.t));
            } else if ends.contains(&told.event)
                && let Some(at) = self.0.iter().position(is)
            {
                self.0.remove(at);
            }
        }
    }

    /// Whether anything begun since `t` is under way.
    pub fn since(&self, t: f64) -> bool {
        self.0.iter().any(|(.., begun)| *begun >= t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_answered_is_owed_no_more() {
        let mut owed = Owed::default();
        let mut said = |event, t, id: &str| {
            owed.see(&Told::new(event, t, json!({ "cmd_id": id })));
            (owed.since(0.0), owed.since(15.0))
        };
        assert_eq!(said("queue_cmd_sent", 20.0, ""), (false, false));
        assert_eq!(said("queue_cmd_sent", 10.0, "a"), (true, false));
        assert_eq!(said("queue_cmd_sent", 20.0, "b"), (true, true));
        assert_eq!(said("queue_cmd_ack", 21.0, "b"), (true, true), "it is not applied yet");
        assert_eq!(said("queue_cmd_applied", 22.0, "b"), (true, false));
        assert_eq!(said("queue_cmd_rejected", 23.0, "a"), (false, false));
        assert_eq!(said("room_join_start", 24.0, ""), (true, true));
        assert_eq!(said("auth_login_failure", 25.0, ""), (true, true));
        assert_eq!(said("room_join_failure", 26.0, ""), (false, false));
    }
}
