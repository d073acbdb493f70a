-- What people want to know of a number, and lists of numbers on their way in.

ALTER TABLE numbers
    ADD COLUMN kind text
        CONSTRAINT number_kind_is_known CHECK (kind IN ('local', 'national', 'mobile', 'toll_free', 'exophone', 'sip', 'landline')),
    ADD COLUMN provider_id text
        CONSTRAINT number_provider_id_is_1_to_100_characters CHECK (provider_id ~ '^[^[:cntrl:]]{1,100}$'),
    ADD COLUMN capabilities jsonb NOT NULL DEFAULT '{"voice": true, "sms": false}'
        CONSTRAINT number_capabilities_is_an_object CHECK (jsonb_typeof(capabilities) = 'object'),
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN numbers.kind IS 'local, national, mobile, toll_free, exophone, sip, landline.';
COMMENT ON COLUMN numbers.provider_id IS 'Its id with the provider, such as PN… of Twilio.';
COMMENT ON COLUMN numbers.capabilities IS 'What it can do: {"voice": true, "sms": false}.';
COMMENT ON COLUMN numbers.metadata IS 'Anything else, as an object: {"department": "sales"}. 16 KiB at most.';
COMMENT ON COLUMN numbers.version IS 'Counts the changes. Written by a trigger.';
COMMENT ON COLUMN numbers.updated_at IS 'When it was last changed. Written by a trigger.';

-- NOT VALID: what is there already stays, until somebody edits it.
ALTER TABLE numbers
    ADD CONSTRAINT number_metadata_is_at_most_16_kib CHECK (octet_length(metadata::text) <= 16384) NOT VALID,
    ADD CONSTRAINT number_capabilities_is_at_most_1_kib CHECK (octet_length(capabilities::text) <= 1024) NOT VALID,
    ADD CONSTRAINT number_friendly_name_is_1_to_100_characters
        CHECK (friendly_name ~ '^[^[:cntrl:]]{1,100}$') NOT VALID,
    ADD CONSTRAINT number_provider_is_1_to_50_characters CHECK (provider ~ '^[^[:cntrl:]]{1,50}$') NOT VALID;

CREATE FUNCTION cordboard_number_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER number_version BEFORE UPDATE ON numbers
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION cordboard_number_version();

-- A page of an organization's numbers is a piece of this.
DROP INDEX numbers_of_organization;
CREATE INDEX numbers_of_organization ON numbers (organization_id, id);

-- Where a list of numbers waits until all of it is here and found good. Only passing: not worth a write-ahead log.
CREATE UNLOGGED TABLE number_uploads (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid REFERENCES organizations,
    state           text NOT NULL DEFAULT 'receiving'
        CONSTRAINT upload_state_is_known CHECK (state IN ('receiving', 'written', 'refused')),
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX number_uploads_by_age ON number_uploads (created_at);
CREATE INDEX number_uploads_of_organization ON number_uploads (organization_id);
COMMENT ON TABLE number_uploads IS 'Lists of numbers that were sent in the last hours, and what became of them.';

CREATE UNLOGGED TABLE number_upload_rows (
    upload_id     uuid NOT NULL REFERENCES number_uploads ON DELETE CASCADE,
    place         integer NOT NULL,
    line          bigint NOT NULL,
    given         text NOT NULL,
    result        text NOT NULL
        CONSTRAINT upload_result_is_known CHECK (result IN ('ready', 'added', 'skipped', 'error', 'not_written')),
    position      integer,
    field         text,
    message       text,
    e164          e164,
    region        text,
    friendly_name text,
    provider      text,
    provider_id   text,
    kind          text,
    trunk         text,
    daily_limit   integer,
    capabilities  jsonb,
    metadata      jsonb,
    PRIMARY KEY (upload_id, place)
);
COMMENT ON TABLE number_upload_rows IS 'The lines of these lists.';

ALTER TABLE number_uploads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON number_uploads TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON number_uploads TO cordboard_tenant;

ALTER TABLE number_upload_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON number_upload_rows TO cordboard_tenant
    USING (upload_id IN (SELECT id FROM number_uploads WHERE organization_id = cordboard_organization()))
    WITH CHECK (upload_id IN (SELECT id FROM number_uploads WHERE organization_id = cordboard_organization()));
GRANT SELECT, INSERT, UPDATE, DELETE ON number_upload_rows TO cordboard_tenant;
