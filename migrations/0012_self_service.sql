-- A company takes a number out of the inventory by itself: once.

ALTER TABLE numbers ADD COLUMN quarantine_until timestamptz;
COMMENT ON COLUMN numbers.quarantine_until IS
    'Until then an available number is offered to nobody: people still call its last owner there. Empty: free.';

CREATE TABLE number_claims (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    number_id       uuid NOT NULL REFERENCES numbers ON DELETE CASCADE,
    how             text NOT NULL CONSTRAINT claim_how_is_known CHECK (how IN ('chosen', 'provisioned', 'swapped')),
    claimed_at      timestamptz NOT NULL DEFAULT now(),
    released_at     timestamptz
);
-- The two rules of self-service, whatever a program does: one number an organization, one organization a number.
CREATE UNIQUE INDEX organization_claims_one_number ON number_claims (organization_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX number_is_claimed_once ON number_claims (number_id) WHERE released_at IS NULL;
CREATE INDEX number_claims_of_organization ON number_claims (organization_id);
CREATE INDEX number_claims_of_number ON number_claims (number_id);
COMMENT ON TABLE number_claims IS 'Numbers that organizations took out of the inventory by themselves.';
COMMENT ON COLUMN number_claims.released_at IS 'When the number left the organization. Written by a trigger.';

CREATE INDEX numbers_available ON numbers (id) WHERE state = 'available';

CREATE FUNCTION cordboard_number_changed_hands() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE number_claims SET released_at = clock_timestamp() WHERE number_id = NEW.id AND released_at IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER number_changed_hands AFTER UPDATE ON numbers
    FOR EACH ROW WHEN (OLD.organization_id IS NOT NULL AND
        (NEW.organization_id IS DISTINCT FROM OLD.organization_id OR (NEW.state = 'retired' AND OLD.state <> 'retired')))
    EXECUTE FUNCTION cordboard_number_changed_hands();

CREATE FUNCTION cordboard_quarantine_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.quarantine_until := NULL;
    RETURN NEW;
END $$;
-- Before number_version looks whether anything changed.
CREATE TRIGGER a_quarantine_ends BEFORE UPDATE ON numbers
    FOR EACH ROW WHEN (NEW.organization_id IS NOT NULL AND NEW.quarantine_until IS NOT NULL)
    EXECUTE FUNCTION cordboard_quarantine_ends();

-- One AI agent an organization.
DO $$
DECLARE
    doubled text;
BEGIN
    SELECT string_agg(o.slug, ', ' ORDER BY o.slug) INTO doubled FROM organizations o
    WHERE (SELECT count(*) FROM agents a WHERE a.organization_id = o.id AND a.kind = 'ai') > 1;
    IF doubled IS NOT NULL THEN
        RAISE EXCEPTION 'these organizations have more than one AI agent, and may have one: %; make the others human', doubled;
    END IF;
END $$;
CREATE UNIQUE INDEX organization_has_one_ai_agent ON agents (organization_id) WHERE kind = 'ai';

ALTER TABLE number_claims ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON number_claims TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT ON number_claims TO cordboard_tenant;
SELECT cordboard_audit_table('number_claims');
