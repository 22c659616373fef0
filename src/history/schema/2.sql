-- Counters as they were when somebody asked: what happened is between two readings. Times are milliseconds since 1970, UTC.
CREATE TABLE readings (
  app TEXT NOT NULL,
  environment TEXT NOT NULL,
  signal TEXT NOT NULL, -- where it was asked, and the counter's name
  at BIGINT NOT NULL,
  value DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (app, environment, signal, at)
);
