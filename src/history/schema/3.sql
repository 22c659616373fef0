-- Plays that only diagnose another, and plays whose failure is borne.
ALTER TABLE plays ADD COLUMN diagnoses BOOLEAN NOT NULL DEFAULT FALSE; -- it says whether a failure repeats: no sample
ALTER TABLE plays ADD COLUMN quarantined BOOLEAN NOT NULL DEFAULT FALSE; -- a quarantine was in force for it
