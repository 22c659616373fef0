-- Every run, as it was judged when it ended. Times are milliseconds since 1970, UTC. One text for SQLite and PostgreSQL.
CREATE TABLE runs (
  run_id TEXT NOT NULL PRIMARY KEY,
  started BIGINT NOT NULL,
  ms DOUBLE PRECISION NOT NULL,
  app TEXT NOT NULL,
  base TEXT NOT NULL,
  environment TEXT NOT NULL,
  app_version TEXT NOT NULL, -- empty: the app told none
  plan TEXT NOT NULL,
  judge TEXT NOT NULL,
  verdict TEXT NOT NULL,
  ci TEXT NOT NULL, -- empty: not in CI
  soundcheck TEXT NOT NULL,
  folder TEXT NOT NULL, -- where the record lay
  complete BOOLEAN NOT NULL, -- false: its end is not in the record
  imported BIGINT NOT NULL
);
CREATE INDEX runs_started ON runs (started);

CREATE TABLE plays (
  run_id TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
  play BIGINT NOT NULL, -- 1 for the run's first, retries too
  session TEXT NOT NULL,
  journey TEXT NOT NULL,
  browser TEXT NOT NULL,
  browser_version TEXT NOT NULL,
  profile TEXT NOT NULL,
  faulted BOOLEAN NOT NULL, -- the profile plans faults
  renderer TEXT NOT NULL, -- the class: llvmpipe, swiftshader, gpu; empty: unknown
  number BIGINT NOT NULL,
  attempt BIGINT NOT NULL, -- more than 1: a retry
  ending TEXT NOT NULL,
  reason TEXT NOT NULL,
  class TEXT NOT NULL,
  started BIGINT NOT NULL,
  ms DOUBLE PRECISION NOT NULL,
  busy BOOLEAN NOT NULL, -- others kept the machine busy for a part of it
  counts BOOLEAN NOT NULL, -- its samples are the app's: neither broken, unfinished, faulted nor a second attempt
  PRIMARY KEY (run_id, play)
);
CREATE INDEX plays_started ON plays (started);

CREATE TABLE samples (
  run_id TEXT NOT NULL,
  play BIGINT NOT NULL,
  measure TEXT NOT NULL,
  samples TEXT NOT NULL, -- {"trials":[good,total]}, {"ms":[12.5,null]}, {"bytes":[1e6]}, {"count":[events,minutes]}
  PRIMARY KEY (run_id, play, measure),
  FOREIGN KEY (run_id, play) REFERENCES plays (run_id, play) ON DELETE CASCADE
);
