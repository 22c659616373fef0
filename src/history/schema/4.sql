-- What a play gave stands in its own row: a row for each measure took a server several times as long to read as one for all.
-- Lines in turn, a measure and what it was given, in the order of the measures: {"trials":[good,total]}, {"ms":[12.5,null]},
-- {"bytes":[1e6]}, {"count":[events,minutes]}; null is what never came, and -1 or a third number of a count what has no time.
ALTER TABLE plays ADD COLUMN samples TEXT NOT NULL DEFAULT '';
UPDATE plays SET samples = COALESCE((
  SELECT string_agg(s.measure || '
' || s.samples, '
' ORDER BY s.measure) FROM samples s WHERE s.run_id = plays.run_id AND s.play = plays.play), '');
DROP TABLE samples;
