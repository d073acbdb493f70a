-- The keys by which programs name the calls that they start, so that asking again makes no second call.

CREATE TABLE call_keys (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    key             text NOT NULL CONSTRAINT call_key_is_short CHECK (octet_length(key) BETWEEN 1 AND 255),
    request         bytea NOT NULL CONSTRAINT call_key_names_a_request CHECK (octet_length(request) = 32),
    call_id         uuid NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX call_keys_by_age ON call_keys (organization_id, created_at);
COMMENT ON TABLE call_keys IS 'Idempotency-Key of starts, for 24 hours. The row stands before the call is begun.';
COMMENT ON COLUMN call_keys.request IS 'SHA-256 of what was asked for.';
COMMENT ON COLUMN call_keys.call_id IS 'The only call that this key may make. No foreign key: the call comes later, or never.';

ALTER TABLE call_keys ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON call_keys TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON call_keys TO cordboard_tenant;
-- Not on the audit trail: a call has its own record.
