//! A history that a team shares. Every call blocks: not for a thread that drives a runtime.

use super::store::{Each, Row, Store, Value};
use crate::error::{Error, Operator, Result};
use bytes::BytesMut;
use postgres::config::Host;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error as StdError;
use std::net::ToSocketAddrs as _;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long the server may take to answer, where its address does not say (`connect_timeout`), and to take what was sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// What helps where it cannot be known why.
const LOOK: &str = "see that the server is up and reached from here";
/// The lock under which the schema is changed: any number that is ours.
const SCHEMA_LOCK: i64 = 0x736f_756e_6463_6865;

pub struct Postgres(Client);

impl Postgres {
    pub fn open(config: &Config) -> Result<Self> {
        let mut client = connect(config)?;
        // What is committed is on the server's disk, also where that was turned off.
        client
            .batch_execute(
                "SET lock_timeout = '10s'; SET client_min_messages = warning;
                 SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
            )
            .map_err(failed)?;
        Ok(Self(client))
    }
}

/// The crate's own limit is over when the connection stands, libpq's when the server has answered: one that accepts and
/// then says nothing would be waited for without end.
fn connect(config: &Config) -> Result<Client> {
    let mut config = config.clone();
    let patience = config.get_connect_timeout().copied().unwrap_or(PATIENCE);
    config.connect_timeout(patience).tcp_user_timeout(PATIENCE).application_name("soundcheck");
    let (tls, limit) = (MakeRustlsConnect::new(tls()?), patience.saturating_mul(addresses(&config)));
    let (tell, told) = mpsc::channel();
    // What still waits then ends with this program.
    thread::spawn(move || drop(tell.send(config.connect(tls))));
    match told.recv_timeout(limit) {
        Ok(client) => client.map_err(failed),
        Err(_) => Err(Error::operator(format!("no answer in {} s", limit.as_secs())).remedy(LOOK)),
    }
}

/// How many addresses are tried one after another: one of them that is dead must not use up the time of the next.
fn addresses(config: &Config) -> u32 {
    let of = |host: &Host| match host {
        Host::Tcp(name) => (name.as_str(), 0).to_socket_addrs().map_or(1, Iterator::count),
        Host::Unix(_) => 1,
    };
    let all = match config.get_hostaddrs() {
        [] => config.get_hosts().iter().map(of).sum(),
        given => given.len(),
    };
    u32::try_from(all.max(1)).unwrap_or(u32::MAX)
}

/// The server's certificate is checked against the machine's roots, or those of `SSL_CERT_FILE`.
fn tls() -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().operator("TLS")?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn failed(error: postgres::Error) -> Error {
    // Its own words are "db error": what is below says more.
    let mut said = error.to_string();
    let mut cause = StdError::source(&error);
    while let Some(inner) = cause {
        if !said.contains(&inner.to_string()) {
            said = format!("{said}: {inner}");
        }
        cause = inner.source();
    }
    let remedy = match error.as_db_error() {
        Some(told) if told.code().code().starts_with("28") => "check the user and the password of its address",
        Some(told) if told.code().code().starts_with("3D") => "createdb, or the name of another database",
        Some(told) if told.code().code().starts_with("42501") => "let its user create and change tables there",
        None if said.contains("certificate") => {
            "name the server's authority in SSL_CERT_FILE; within a network you trust: ?sslmode=disable"
        }
        _ => LOOK,
    };
    Error::operator(said).remedy(remedy)
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Value::Text(text) => text.to_sql(ty, out),
            Value::Int(n) => n.to_sql(ty, out),
            Value::Real(n) => n.to_sql(ty, out),
            Value::Flag(yes) => yes.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::TEXT, Type::INT8, Type::FLOAT8, Type::BOOL].contains(ty)
    }

    to_sql_checked!();
}

impl Row for postgres::Row {
    fn text(&self, column: usize) -> Result<&str> {
        self.try_get(column).map_err(failed)
    }
    fn int(&self, column: usize) -> Result<i64> {
        self.try_get(column).map_err(failed)
    }
    fn real(&self, column: usize) -> Result<f64> {
        self.try_get(column).map_err(failed)
    }
    fn flag(&self, column: usize) -> Result<bool> {
        self.try_get(column).map_err(failed)
    }
}

impl Store for Postgres {
    fn begin(&mut self, alone: bool) -> Result<()> {
        self.batch("BEGIN")?;
        if alone { self.batch(&format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")) } else { Ok(()) }
    }

    fn version(&mut self) -> Result<i64> {
        // The catalogue itself: to_regclass may remember what was so when the transaction began.
        let there = "SELECT count(*) > 0 FROM pg_tables \
                     WHERE tablename = 'soundcheck_schema' AND schemaname = ANY (current_schemas(false))";
        let there = self.0.query_one(there, &[]).map_err(failed)?;
        match there.flag(0)? {
            true => self.0.query_one("SELECT max(version) FROM soundcheck_schema", &[]).map_err(failed)?.int(0),
            false => Ok(0),
        }
    }

    fn set_version(&mut self, version: i64) -> Result<()> {
        self.batch(&format!(
            "CREATE TABLE IF NOT EXISTS soundcheck_schema (version BIGINT NOT NULL); \
             INSERT INTO soundcheck_schema VALUES ({version})"
        ))
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.0.batch_execute(sql).map_err(failed)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
        self.0.execute(sql, &values).map_err(failed)
    }

    fn find(&self) -> &'static str {
        "strpos"
    }

    fn query(&mut self, sql: &str, values: &[Value], each: Each) -> Result<()> {
        let values = values.iter().map(|v| v as &(dyn ToSql + Sync));
        let mut rows = self.0.query_raw(sql, values).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            each(&row)?;
        }
        Ok(())
    }
}
