//! Soundcheck: a browser synthetic and playback monitor.
//!
//! # The floors
//!
//! A module uses its own floor and the floors below, never one above; `tests/floors.rs` reads the `use` lines and
//! fails on an upward one.
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 0 words | [`error`] [`mod@unit`] [`event`] [`table`] [`source`] [`secret`] [`octets`] | whose move it is; quantities; the event and its log; rows of names; files people wrote; what nobody may see; octets by the word |
//! | 1 tools | [`fault`] [`measure`] [`stats`] [`oracle`] [`media`] [`traffic`] [`browser`] | a request in, what goes wrong out; events in, value out; intervals; pictures proved; why a video failed; what page and server say; the browser itself |
//! | 2 makers | [`step`] [`proxy`] [`slo`] [`mod@compare`] [`signal`] [`telemetry`] | verbs run against a session; the proxy that carries faults out; objective x value = verdict; whether two lots differ; what others count; what others are told |
//! | 3 files | [`journey`] [`app`] [`plan`] [`profile`] [`quarantine`] [`record`] [`report`] [`history`] [`why`] | spanned TOML in, text out; runs kept; why one went wrong |
//! | 4 play | [`run`] | one play: set up, step, always tear down |
//! | 5 drill | [`verify`] [`gate`] | many plays: the proof that each alarm rings; go or no-go |
//! | edge | `main` | arguments in, exit code out |

pub mod app;
pub mod browser;
pub mod compare;
pub mod error;
pub mod event;
pub mod fault;
pub mod gate;
pub mod history;
pub mod journey;
pub mod measure;
pub mod media;
pub mod octets;
pub mod oracle;
pub mod plan;
pub mod profile;
pub mod proxy;
pub mod quarantine;
pub mod record;
pub mod report;
pub mod run;
pub mod secret;
pub mod signal;
pub mod slo;
pub mod source;
pub mod stats;
pub mod step;
pub mod table;
pub mod telemetry;
pub mod traffic;
pub mod unit;
pub mod verify;
pub mod why;
