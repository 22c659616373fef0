//! `header`, `content_type`, `strip_header`: fields put in, changed, taken out.

use super::field::{Name, Value};
use super::seed::Draw;
use super::steps::{ask, remove, set, tell};
use super::{Edit, Fault, Request, Response, Step};
use serde::Deserialize;

/// `header`: one field of the response.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    name: Name,
    set: Option<Value>,
    add: Option<Value>,
    #[serde(default)]
    remove: bool,
}

impl Fault for Header {
    fn check(&self) -> Result<(), String> {
        match (&self.set, &self.add, self.remove) {
            (Some(_), None, false) | (None, Some(_), false) | (None, None, true) => Ok(()),
            _ => Err("give one of `set`, `add`, `remove = true`".to_owned()),
        }
    }

    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        let name = &self.name.0;
        match (&self.set, &self.add) {
            (Some(value), _) => vec![tell(set(name, &value.0))],
            (None, Some(value)) => vec![tell(Edit::Add(name.clone(), value.0.clone()))],
            (None, None) => gone(name, response),
        }
    }
}

/// `content_type`: another one, or none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentType {
    value: Option<Value>,
}

impl Fault for ContentType {
    fn response(&self, _: &Request, response: &Response, _: &Draw) -> Vec<Step> {
        match &self.value {
            Some(value) if response.head.get("content-type") == Some(&value.0) => Vec::new(),
            Some(value) => vec![tell(set("Content-Type", &value.0))],
            None => gone("Content-Type", response),
        }
    }
}

fn gone(name: &str, response: &Response) -> Vec<Step> {
    if response.head.all(name).next().is_some() { vec![tell(remove(name))] } else { Vec::new() }
}

/// `strip_header`: a field of the request does not reach the server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripHeader {
    name: Name,
}

impl Fault for StripHeader {
    fn request(&self, request: &Request, _: &Draw) -> Vec<Step> {
        if request.head.all(&self.name.0).next().is_some() { vec![ask(remove(&self.name.0))] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::playbook::{fault, on_request, on_response, play, refused};

    #[test]
    fn a_field_is_set_added_or_removed() {
        let set = play(&fault("header", "name = \"ETag\"\nset = \"x\""), "");
        assert_eq!(set.head.all("etag").collect::<Vec<_>>(), ["x"]);
        let add = play(&fault("header", "name = \"ETag\"\nadd = \"x\""), "");
        assert_eq!(add.head.all("etag").collect::<Vec<_>>(), ["\"one\"", "x"]);
        let gone = play(&fault("header", "name = \"etag\"\nremove = true"), "");
        assert_eq!(gone.head.get("etag"), None);
        [set, add, gone].iter().for_each(|seen| seen.agrees());
    }

    #[test]
    fn a_content_type_changes_or_goes() {
        assert_eq!(play(&fault("content_type", "value = \"text/html\""), "").field("content-type"), "text/html");
        assert_eq!(play(&fault("content_type", ""), "").head.get("content-type"), None);
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        let response = "HTTP/1.1 200 OK\nContent-Type: video/mp4";
        for (name, keys) in [("content_type", "value = \"video/mp4\""), ("header", "name = \"Vary\"\nremove = true")] {
            assert_eq!(on_response(&fault(name, keys), "GET / HTTP/1.1", response), [], "{name}");
        }
        assert_eq!(on_request(&fault("strip_header", "name = \"Range\""), "GET / HTTP/1.1"), []);
    }

    #[test]
    fn a_stripped_range_never_reaches_the_server() {
        let seen = play(&fault("strip_header", "name = \"range\""), "bytes=5-");
        assert_eq!((seen.asked.as_deref(), seen.status()), (None, 200));
    }

    #[test]
    fn fields_that_say_nothing_or_too_much_are_refused() {
        for (name, keys, why) in [
            ("header", "name = \"X\"", "one of"),
            ("header", "name = \"X\"\nset = \"1\"\nremove = true", "one of"),
            ("header", "name = \"Content-Length\"\nset = \"1\"", "use content_length"),
            ("header", "name = \"X\"\nset = \"a\\nb\"", "one line"),
            ("strip_header", "name = \"Transfer-Encoding\"", "where a body ends"),
            ("strip_header", "", "name"),
        ] {
            assert!(refused(name, keys).contains(why), "{keys}: {}", refused(name, keys));
        }
    }
}
