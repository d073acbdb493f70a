-- Numbers are read from carriers page by page; each page is one transaction, with the place where the next one is. So an import
-- that was killed goes on where it stopped.

CREATE TABLE carrier_imports (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    carrier         text NOT NULL
        CONSTRAINT carrier_name_is_lower_case_letters_digits_hyphens CHECK (carrier ~ '^[a-z][a-z0-9-]{0,30}$'),
    organization_id uuid REFERENCES organizations,
    page_size       integer NOT NULL CONSTRAINT carrier_page_size_is_1_to_1000 CHECK (page_size BETWEEN 1 AND 1000),
    cursor          text,
    pages           integer NOT NULL DEFAULT 0,
    total           bigint,
    added           integer NOT NULL DEFAULT 0,
    updated         integer NOT NULL DEFAULT 0,
    unchanged       integer NOT NULL DEFAULT 0,
    skipped         integer NOT NULL DEFAULT 0,
    errors          integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz
);
CREATE UNIQUE INDEX carrier_has_one_import_at_a_time ON carrier_imports
    (carrier, (coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid))) WHERE finished_at IS NULL;
CREATE INDEX carrier_imports_of_organization ON carrier_imports (organization_id);
COMMENT ON TABLE carrier_imports IS 'How far imports from carriers have come. Finished ones are kept for a month.';
COMMENT ON COLUMN carrier_imports.carrier IS 'Its name in the settings.';
COMMENT ON COLUMN carrier_imports.organization_id IS 'Into whose numbers; empty: into the inventory.';
COMMENT ON COLUMN carrier_imports.cursor IS 'Where the next page is, in the carrier''s words; empty: the first.';
COMMENT ON COLUMN carrier_imports.total IS 'How many numbers the carrier said it has, on its first page.';

CREATE TABLE carrier_import_rows (
    import_id uuid NOT NULL REFERENCES carrier_imports ON DELETE CASCADE,
    page      integer NOT NULL,
    place     integer NOT NULL,
    number    text NOT NULL,
    e164      e164,
    result    text NOT NULL
        CONSTRAINT carrier_import_result_is_known CHECK (result IN ('added', 'updated', 'unchanged', 'skipped', 'error')),
    message   text,
    PRIMARY KEY (import_id, page, place)
);
COMMENT ON TABLE carrier_import_rows IS 'What became of each entry of these lists: page from 1, place on it from 0.';

ALTER TABLE carrier_imports ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON carrier_imports TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON carrier_imports TO cordboard_tenant;

ALTER TABLE carrier_import_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON carrier_import_rows TO cordboard_tenant
    USING (import_id IN (SELECT id FROM carrier_imports WHERE organization_id = cordboard_organization()))
    WITH CHECK (import_id IN (SELECT id FROM carrier_imports WHERE organization_id = cordboard_organization()));
GRANT SELECT, INSERT, DELETE ON carrier_import_rows TO cordboard_tenant;

-- == campaigns ==

CREATE TABLE campaigns (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    name            text NOT NULL CONSTRAINT campaign_name_is_1_to_100_characters CHECK (name ~ '^[^[:cntrl:]]{1,100}$'),
    status          text NOT NULL DEFAULT 'active'
        CONSTRAINT campaign_status_is_known CHECK (status IN ('active', 'paused', 'archived')),
    contacts        integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, organization_id)
);
CREATE UNIQUE INDEX campaign_name_is_unique_in_organization ON campaigns (organization_id, lower(name)) WHERE status <> 'archived';
CREATE INDEX campaigns_of_organization ON campaigns (organization_id, id);
COMMENT ON TABLE campaigns IS 'What calls are made for: some numbers, and whom to call.';
COMMENT ON COLUMN campaigns.status IS 'active; paused or archived: no calls are made for it.';
COMMENT ON COLUMN campaigns.contacts IS 'How many contacts it has. Counted by a trigger.';

CREATE FUNCTION cordboard_campaign_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER campaign_updated BEFORE UPDATE ON campaigns
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION cordboard_campaign_updated();

CREATE TABLE campaign_numbers (
    campaign_id     uuid NOT NULL,
    number_id       uuid NOT NULL,
    organization_id uuid NOT NULL REFERENCES organizations,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, number_id),
    CONSTRAINT linked_campaign_is_of_the_same_organization
        FOREIGN KEY (campaign_id, organization_id) REFERENCES campaigns (id, organization_id) ON DELETE CASCADE,
    CONSTRAINT linked_number_is_of_the_same_organization
        FOREIGN KEY (number_id, organization_id) REFERENCES numbers (id, organization_id) ON DELETE CASCADE
);
CREATE INDEX campaign_numbers_of_number ON campaign_numbers (number_id);
CREATE INDEX campaign_numbers_of_organization ON campaign_numbers (organization_id);
COMMENT ON TABLE campaign_numbers IS 'From which numbers calls of a campaign may be made.';
COMMENT ON COLUMN campaign_numbers.organization_id IS 'Left empty at INSERT: the campaign''s.';

CREATE FUNCTION cordboard_campaign_number_defaults() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.organization_id IS NULL THEN
        SELECT organization_id INTO NEW.organization_id FROM campaigns WHERE id = NEW.campaign_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER campaign_number_defaults BEFORE INSERT ON campaign_numbers
    FOR EACH ROW EXECUTE FUNCTION cordboard_campaign_number_defaults();

-- A number that leaves its organization leaves its campaigns, before its foreign keys are looked at.
CREATE FUNCTION cordboard_number_leaves_campaigns() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM campaign_numbers WHERE number_id = OLD.id;
    RETURN NEW;
END $$;
CREATE TRIGGER number_leaves_campaigns BEFORE UPDATE ON numbers
    FOR EACH ROW WHEN (OLD.organization_id IS NOT NULL AND NEW.organization_id IS DISTINCT FROM OLD.organization_id)
    EXECUTE FUNCTION cordboard_number_leaves_campaigns();

CREATE TABLE contacts (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    campaign_id     uuid NOT NULL,
    e164            e164 NOT NULL,
    name            text CONSTRAINT contact_name_is_1_to_100_characters CHECK (name ~ '^[^[:cntrl:]]{1,100}$'),
    metadata        jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT contact_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object')
        CONSTRAINT contact_metadata_is_at_most_16_kib CHECK (octet_length(metadata::text) <= 16384),
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contact_is_once_in_a_campaign UNIQUE (campaign_id, e164),
    CONSTRAINT contact_campaign_is_of_the_same_organization
        FOREIGN KEY (campaign_id, organization_id) REFERENCES campaigns (id, organization_id) ON DELETE CASCADE
);
CREATE INDEX contacts_of_campaign ON contacts (campaign_id, id);
CREATE INDEX contacts_of_organization ON contacts (organization_id);
COMMENT ON TABLE contacts IS 'Whom to call for a campaign. Delete a row to forget somebody.';

-- People do not go into the audit trail, which outlives them; that there are more or fewer of them does, with the campaign.
CREATE FUNCTION cordboard_contacts_counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE campaigns c SET contacts = c.contacts + n.added
        FROM (SELECT campaign_id, count(*)::integer AS added FROM changed GROUP BY campaign_id) n WHERE c.id = n.campaign_id;
    ELSE
        UPDATE campaigns c SET contacts = c.contacts - n.gone
        FROM (SELECT campaign_id, count(*)::integer AS gone FROM changed GROUP BY campaign_id) n WHERE c.id = n.campaign_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER contacts_added AFTER INSERT ON contacts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION cordboard_contacts_counted();
CREATE TRIGGER contacts_gone AFTER DELETE ON contacts REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION cordboard_contacts_counted();

-- Empty for a call of no campaign, which pays nothing for it: no foreign key is asked, and no index is written.
ALTER TABLE calls
    ADD COLUMN campaign_id uuid,
    ADD CONSTRAINT call_campaign_is_of_the_same_organization
        FOREIGN KEY (campaign_id, organization_id) REFERENCES campaigns (id, organization_id);
CREATE INDEX calls_of_campaign ON calls (campaign_id, id) WHERE campaign_id IS NOT NULL;
COMMENT ON COLUMN calls.campaign_id IS 'For which campaign it was asked for.';

ALTER TABLE campaigns ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON campaigns TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE (name, status) ON campaigns TO cordboard_tenant;

ALTER TABLE campaign_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON campaign_numbers TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, DELETE ON campaign_numbers TO cordboard_tenant;

ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON contacts TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE (name, metadata), DELETE ON contacts TO cordboard_tenant;

SELECT cordboard_audit_table(name) FROM unnest('{campaigns,campaign_numbers}'::regclass[]) name;
