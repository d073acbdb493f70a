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
