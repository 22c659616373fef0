//! Readings of counters, kept until there is another to compare them with.

use super::History;
use super::store::Value;
use crate::error::Result;
use crate::signal::Reading;

impl History {
    /// Keeps readings; one that is kept already stays as it is.
    pub fn keep(&mut self, app: &str, environment: &str, readings: &[Reading]) -> Result<()> {
        self.doing(|store| {
            for Reading { signal, at, value } in readings {
                let row: [Value; 5] =
                    [app.into(), environment.into(), signal.as_str().into(), (*at).into(), (*value).into()];
                let sql = "INSERT INTO readings (app, environment, signal, at, value) VALUES ($1, $2, $3, $4, $5) \
                           ON CONFLICT DO NOTHING";
                store.execute(sql, &row)?;
            }
            Ok(())
        })
    }

    /// The readings of a counter from this moment on, milliseconds since 1970, oldest first.
    pub fn readings(&mut self, app: &str, environment: &str, signal: &str, since: i64) -> Result<Vec<Reading>> {
        let sql = "SELECT at, value FROM readings WHERE app = $1 AND environment = $2 AND signal = $3 AND at >= $4 \
                   ORDER BY at";
        let mut readings = Vec::new();
        self.query(sql, &[app.into(), environment.into(), signal.into(), since.into()], &mut |row| {
            readings.push(Reading { signal: signal.to_owned(), at: row.int(0)?, value: row.real(1)? });
            Ok(())
        })?;
        Ok(readings)
    }
}
