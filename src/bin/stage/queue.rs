//! The rooms' queues, in SQLite: what is played next, who put it there, and which commands were seen before.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::{Map, Value, json};

use crate::users::{Role, User};
use crate::{Result, library};

/// What a fresh room has in its queue already, put there by the house.
const SEED: [&str; 3] = ["s1", "s3", "s5"];
/// The user who is the house.
const HOUSE: &str = "u2";
/// `prevQueueId` of the head.
pub const HEAD: i64 = -1;

/// What somebody wants of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A song at the end.
    Add(String),
    /// An entry behind another one, or to the [`HEAD`].
    Move(i64, i64),
    /// An entry away.
    Remove(i64),
}

impl Command {
    /// The command of a message's `type` and `payload`.
    pub fn read(kind: &str, payload: &Value) -> std::result::Result<Self, &'static str> {
        let entry = |name: &str| payload[name].as_i64().ok_or("no queueId");
        match kind {
            "server/QUEUE_ADD" => Ok(Self::Add(payload["songId"].as_str().ok_or("no songId")?.to_owned())),
            "server/QUEUE_MOVE" => Ok(Self::Move(entry("queueId")?, entry("prevQueueId")?)),
            "server/QUEUE_REMOVE" => Ok(Self::Remove(entry("queueId")?)),
            _ => Err("no such command"),
        }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The queue has changed.
    Applied,
    /// It was seen before and applied then: nothing has changed.
    Known,
    /// Nothing has changed, and why.
    Refused(String),
}

/// What a queue obeys and what it forgets.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A command seen before is not applied again.
    pub once: bool,
    /// A guest may remove only what is theirs.
    pub roles: bool,
}

/// The queues of all rooms, in memory: a stage starts the same every time.
pub struct Queue(Connection);

impl Queue {
    /// Opens the database.
    pub fn open() -> Result<Self> {
        Self::empty().map_err(|e| format!("cannot open the queue's database: {e}"))
    }

    fn empty() -> rusqlite::Result<Self> {
        let db = Connection::open_in_memory()?;
        db.execute_batch(
            "CREATE TABLE room (id TEXT PRIMARY KEY, version INTEGER NOT NULL);
             CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, room TEXT NOT NULL REFERENCES room (id),
                                 song TEXT NOT NULL, user TEXT NOT NULL, command TEXT, place INTEGER NOT NULL);
             CREATE TABLE command (room TEXT NOT NULL, id TEXT NOT NULL, refused TEXT, PRIMARY KEY (room, id));",
        )?;
        Ok(Self(db))
    }

    /// Obeys a command, all of it or nothing.
    pub fn apply(
        &mut self,
        room: &str,
        id: &str,
        command: &Command,
        by: &User,
        rules: Rules,
    ) -> rusqlite::Result<Outcome> {
        let change = self.0.transaction()?;
        open(&change, room)?;
        let known: Option<Option<String>> = change
            .query_row("SELECT refused FROM command WHERE room = ? AND id = ?", [room, id], |row| row.get(0))
            .optional()?;
        if let Some(refused) = known.filter(|_| rules.once) {
            return Ok(refused.map_or(Outcome::Known, Outcome::Refused));
        }
        let refused = obey(&change, room, id, command, by, rules)?.err();
        change.execute("INSERT OR REPLACE INTO command VALUES (?, ?, ?)", params![room, id, refused])?;
        if refused.is_none() {
            change.execute("UPDATE room SET version = version + 1 WHERE id = ?", [room])?;
        }
        change.commit()?;
        Ok(refused.map_or(Outcome::Applied, |why| Outcome::Refused(why.to_owned())))
    }

    /// A room's queue as `queue/PUSH` carries it.
    pub fn payload(&mut self, room: &str) -> rusqlite::Result<Value> {
        let change = self.0.transaction()?;
        open(&change, room)?;
        let version: i64 = change.query_row("SELECT version FROM room WHERE id = ?", [room], |row| row.get(0))?;
        let mut entities = Map::new();
        let mut result = Vec::new();
        let mut all = change.prepare("SELECT id, song, user, command FROM entry WHERE room = ? ORDER BY place")?;
        let mut rows = all.query([room])?;
        while let Some(row) = rows.next()? {
            let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let song = library::song(&name).map(|song| (song.title, song.artist)).unwrap_or_default();
            let (user, command): (String, Option<String>) = (row.get(2)?, row.get(3)?);
            let before = result.last().copied().unwrap_or(HEAD);
            let entry = json!({
                "queueId": id, "prevQueueId": before, "songId": name, "title": song.0, "artist": song.1,
                "userId": user, "cmdId": command,
            });
            entities.insert(id.to_string(), entry);
            result.push(id);
        }
        drop(rows);
        drop(all);
        change.commit()?;
        Ok(json!({ "version": version, "result": result, "entities": entities }))
    }
}

/// A room that nobody was in yet begins with what the house has put there.
fn open(change: &Transaction<'_>, room: &str) -> rusqlite::Result<()> {
    if change.execute("INSERT OR IGNORE INTO room VALUES (?, 1)", [room])? == 0 {
        return Ok(());
    }
    for (place, song) in SEED.iter().enumerate() {
        change.execute(
            "INSERT INTO entry (room, song, user, place) VALUES (?, ?, ?, ?)",
            params![room, song, HOUSE, place as i64],
        )?;
    }
    Ok(())
}

fn obey(
    change: &Transaction<'_>,
    room: &str,
    id: &str,
    command: &Command,
    by: &User,
    rules: Rules,
) -> rusqlite::Result<std::result::Result<(), &'static str>> {
    const GONE: &str = "no such entry";
    match command {
        Command::Add(song) => {
            if library::song(song).is_none() {
                return Ok(Err("no such song"));
            }
            change.execute(
                "INSERT INTO entry (room, song, user, command, place)
                 VALUES (?1, ?2, ?3, ?4, (SELECT COALESCE(MAX(place), -1) + 1 FROM entry WHERE room = ?1))",
                params![room, song, by.user_id, id],
            )?;
        }
        Command::Remove(entry) => {
            let owner: Option<String> = change
                .query_row("SELECT user FROM entry WHERE room = ? AND id = ?", params![room, entry], |row| row.get(0))
                .optional()?;
            let Some(owner) = owner else { return Ok(Err(GONE)) };
            if rules.roles && by.role == Role::Guest && owner != by.user_id {
                return Ok(Err("not allowed"));
            }
            change.execute("DELETE FROM entry WHERE id = ?", [entry])?;
        }
        Command::Move(entry, before) => {
            let mut all = change.prepare("SELECT id FROM entry WHERE room = ? AND id <> ? ORDER BY place")?;
            let others = all.query_map(params![room, entry], |row| row.get::<_, i64>(0))?;
            let mut order = others.collect::<rusqlite::Result<Vec<i64>>>()?;
            let place = match *before {
                HEAD => Some(0),
                before => order.iter().position(|id| *id == before).map(|at| at + 1),
            };
            let Some(place) = place else { return Ok(Err(GONE)) };
            order.insert(place, *entry);
            if change.execute("UPDATE entry SET place = -1 WHERE room = ? AND id = ?", params![room, entry])? == 0 {
                return Ok(Err(GONE));
            }
            for (place, id) in order.iter().enumerate() {
                change.execute("UPDATE entry SET place = ? WHERE id = ?", params![place as i64, id])?;
            }
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { once: true, roles: true };

    fn user(id: &str, role: Role) -> User {
        User { user_id: id.to_owned(), username: id.to_owned(), role }
    }

    fn songs(queue: &mut Queue) -> Vec<String> {
        let payload = queue.payload("main").expect("database");
        let ids = payload["result"].as_array().expect("a list").iter();
        ids.map(|id| payload["entities"][id.to_string()]["songId"].as_str().expect("a song").to_owned()).collect()
    }

    #[test]
    fn songs_are_added_moved_and_removed_in_one_order() {
        let mut queue = Queue::open().expect("a database");
        let me = user("g1", Role::Guest);
        let mut tell = |id: &str, command| queue.apply("main", id, &command, &me, RULES).expect("database");
        assert_eq!(tell("a", Command::Add("s9".into())), Outcome::Applied);
        assert_eq!(tell("b", Command::Move(4, HEAD)), Outcome::Applied);
        assert_eq!(tell("c", Command::Move(1, 3)), Outcome::Applied);
        assert_eq!(songs(&mut queue), ["s9", "s3", "s5", "s1"]);
        assert_eq!(queue.apply("main", "d", &Command::Remove(4), &me, RULES), Ok(Outcome::Applied));
        assert_eq!(songs(&mut queue), ["s3", "s5", "s1"]);
        assert_eq!(queue.payload("main").expect("database")["version"], 5);
    }

    #[test]
    fn a_command_seen_before_is_told_the_same_and_changes_nothing() {
        let mut queue = Queue::open().expect("a database");
        let me = user("g1", Role::Guest);
        let add = Command::Add("s9".into());
        assert_eq!(queue.apply("main", "a", &add, &me, RULES), Ok(Outcome::Applied));
        assert_eq!(queue.apply("main", "a", &add, &me, RULES), Ok(Outcome::Known));
        let theirs = Outcome::Refused("not allowed".into());
        assert_eq!(queue.apply("main", "b", &Command::Remove(1), &me, RULES), Ok(theirs.clone()));
        assert_eq!(queue.apply("main", "b", &Command::Remove(1), &me, RULES), Ok(theirs));
        assert_eq!(songs(&mut queue).len(), 4);
        // In another room the id is another command's.
        assert_eq!(queue.apply("other", "a", &add, &me, RULES), Ok(Outcome::Applied));
        let forgets = Rules { once: false, ..RULES };
        assert_eq!(queue.apply("main", "a", &add, &me, forgets), Ok(Outcome::Applied));
        assert_eq!(songs(&mut queue).len(), 5);
    }

    #[test]
    fn only_a_guest_is_held_to_their_own_entries() {
        let mut queue = Queue::open().expect("a database");
        let mut tell =
            |id: &str, who: &User, rules| queue.apply("main", id, &Command::Remove(1), who, rules).expect("database");
        assert_eq!(tell("a", &user("g1", Role::Guest), RULES), Outcome::Refused("not allowed".into()));
        assert_eq!(tell("b", &user("u1", Role::Standard), RULES), Outcome::Applied);
        assert_eq!(tell("c", &user("u1", Role::Standard), RULES), Outcome::Refused("no such entry".into()));
        let lax = Rules { roles: false, ..RULES };
        assert_eq!(queue.apply("main", "d", &Command::Remove(2), &user("g1", Role::Guest), lax), Ok(Outcome::Applied));
    }

    #[test]
    fn what_is_not_there_is_refused_and_moves_nothing() {
        let mut queue = Queue::open().expect("a database");
        let me = user("u1", Role::Standard);
        let commands = [Command::Add("s99".into()), Command::Move(9, HEAD), Command::Move(1, 9), Command::Move(1, 1)];
        for (number, command) in commands.iter().enumerate() {
            let outcome = queue.apply("main", &number.to_string(), command, &me, RULES).expect("database");
            assert!(matches!(outcome, Outcome::Refused(_)), "{command:?}: {outcome:?}");
        }
        assert_eq!(songs(&mut queue), ["s1", "s3", "s5"]);
    }

    #[test]
    fn commands_are_read_from_type_and_payload() {
        let read = |kind, payload| Command::read(kind, &payload);
        assert_eq!(read("server/QUEUE_ADD", json!({ "songId": "s1" })), Ok(Command::Add("s1".into())));
        let moved = json!({ "queueId": 3, "prevQueueId": -1 });
        assert_eq!(read("server/QUEUE_MOVE", moved), Ok(Command::Move(3, HEAD)));
        assert_eq!(read("server/QUEUE_REMOVE", json!({ "queueId": 3 })), Ok(Command::Remove(3)));
        assert!(read("server/QUEUE_REMOVE", json!({ "queueId": "3" })).is_err());
        assert!(read("server/QUEUE_SHUFFLE", json!({})).is_err());
    }
}
