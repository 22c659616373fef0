//! The tables of an app file that say what its messages and requests mean: `[socket]`, `[auth]`, `[room]`, `[library]` and
//! `[permission]`.

use super::Check;
use crate::traffic::{Asked, Declared, Dotted, Socket, What};
use serde::Deserialize;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketFile {
    path: Spanned<String>,
    #[serde(rename = "type")]
    kind: Option<Spanned<String>>,
    id: Option<Spanned<String>>,
    error: Option<Spanned<String>>,
    #[serde(default)]
    sent: Vec<Spanned<String>>,
    #[serde(default)]
    ack: Vec<Spanned<String>>,
    #[serde(default)]
    rejected: Vec<Spanned<String>>,
    applied: Option<Spanned<String>>,
    entries: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    #[serde(default)]
    resync: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthFile {
    login: Option<Paths>,
    refresh: Option<Paths>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomFile {
    join: Paths,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LibraryFile {
    path: Paths,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionFile {
    requests: Paths,
}

/// One path, or a list of them.
type Paths = Spanned<Value>;

/// The tables together, as they stand in a file.
pub(super) struct Tables {
    pub socket: Option<SocketFile>,
    pub auth: Option<AuthFile>,
    pub room: Option<RoomFile>,
    pub library: Option<LibraryFile>,
    pub permission: Option<PermissionFile>,
}

impl Check<'_> {
    pub(super) fn traffic(&mut self, tables: Tables) -> Declared {
        let Tables { socket, auth, room, library, permission } = tables;
        let (login, refresh) = auth.map_or((None, None), |auth| (auth.login, auth.refresh));
        let asked = [
            (What::Login, login),
            (What::Refresh, refresh),
            (What::Join, room.map(|room| room.join)),
            (What::Library, library.map(|library| library.path)),
            (What::Guarded, permission.map(|permission| permission.requests)),
        ];
        let asked = asked.into_iter().flat_map(|(what, paths)| self.asked(what, paths)).collect();
        Declared { socket: socket.map(|socket| self.socket(socket)), asked }
    }

    fn asked(&mut self, what: What, paths: Option<Paths>) -> Vec<Asked> {
        let Some(paths) = paths else { return Vec::new() };
        let all = match paths.get_ref() {
            Value::Array(all) => all.as_slice(),
            one => std::slice::from_ref(one),
        };
        let known = all.iter().filter_map(|path| {
            let asked = match path {
                Value::String(path) => Asked::new(what, path),
                other => Err(format!("`{other}` is no request")),
            };
            asked.map_err(|why| self.problem(&paths, why, REQUEST)).ok()
        });
        known.collect()
    }

    fn socket(&mut self, file: SocketFile) -> Socket {
        if !file.path.get_ref().starts_with('/') || file.path.get_ref().contains(['?', '#']) {
            self.problem(&file.path, "`path` is no path", "write the path of the socket's address, such as \"/ws\"");
        }
        if let Some(first) = file.sent.first()
            && file.ack.is_empty()
            && file.applied.is_none()
        {
            let help = "add `ack` (types that acknowledge one) or `applied` (where a message names those it applied)";
            self.problem(first, "commands that nothing answers", help);
        }
        if let Some(answer) = file.ack.first().or(file.rejected.first()).or(file.applied.as_ref())
            && file.sent.is_empty()
        {
            let help = "add `sent`: the types of the messages that are commands, such as sent = [\"server/QUEUE_*\"]";
            self.problem(answer, "answers to no command", help);
        }
        let kind = self.place(file.kind.as_ref(), "type");
        let id = self.place(file.id.as_ref(), "id");
        let error = self.place(file.error.as_ref(), "error");
        let [applied, entries, version] =
            [&file.applied, &file.entries, &file.version].map(|at| at.as_ref().map(|at| self.place(Some(at), "")));
        let [sent, ack, rejected, resync] =
            [file.sent, file.ack, file.rejected, file.resync].map(|types| self.types(types));
        Socket { path: file.path.into_inner(), kind, id, error, sent, ack, rejected, resync, applied, entries, version }
    }

    fn types(&mut self, types: Vec<Spanned<String>>) -> Vec<String> {
        for empty in types.iter().filter(|kind| kind.get_ref().trim().is_empty()) {
            self.problem(empty, "no type", "write a message's type; `*` stands for any run of characters");
        }
        types.into_iter().map(Spanned::into_inner).collect()
    }

    fn place(&mut self, at: Option<&Spanned<String>>, usual: &str) -> Dotted {
        let read = at.map_or(usual, |at| at.get_ref().as_str()).parse::<Dotted>();
        read.unwrap_or_else(|why| {
            if let Some(at) = at {
                self.problem(at, why, "write names with dots between, such as \"meta.id\"");
            }
            Dotted::default()
        })
    }
}

const REQUEST: &str = "write a path below the base, such as \"/api/login\", or a method and a path: \"PUT /api/login\"";
