-- The id of an anomaly beside its JSON, so that the history of one is found without
-- reading all. It is that of the JSON: bytes that are no UTF-8 are replaced in both.
ALTER TABLE anomaly ADD COLUMN id BLOB NOT NULL DEFAULT x'';
UPDATE anomaly SET id = CAST(coalesce(json_extract(CAST(body AS TEXT), '$.id'), '') AS BLOB)
    WHERE json_valid(CAST(body AS TEXT));
CREATE INDEX anomaly_by_id ON anomaly (id, analysis DESC, n);
