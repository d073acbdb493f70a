-- Agents' SIP accounts live in Asterisk. These triggers tell the daemon what to put there and what to take away, whoever
-- edits the table. NOTIFY only wakes it up; sip_accounts_gone is the record.

CREATE TABLE sip_accounts_gone (
    endpoint text PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sip_accounts_gone IS 'Accounts that the daemon has yet to take out of Asterisk. Written by triggers.';

CREATE FUNCTION cordboard_agent_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_endpoint text;
    new_endpoint text; -- none if the account must not be in Asterisk
    seen text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_endpoint := OLD.endpoint;
        seen := OLD.endpoint;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        seen := NEW.endpoint;
        SELECT NEW.endpoint INTO new_endpoint FROM organizations o
        WHERE o.id = NEW.organization_id AND o.active AND NEW.active AND NEW.sip_ha1 IS NOT NULL;
    END IF;

    IF old_endpoint IS NOT NULL AND old_endpoint IS DISTINCT FROM new_endpoint THEN
        INSERT INTO sip_accounts_gone (endpoint) VALUES (old_endpoint) ON CONFLICT DO NOTHING;
        IF old_endpoint <> seen THEN
            PERFORM pg_notify('cordboard_agents', old_endpoint);
        END IF;
    END IF;
    IF new_endpoint IS NOT NULL THEN
        DELETE FROM sip_accounts_gone WHERE endpoint = new_endpoint;
    END IF;
    PERFORM pg_notify('cordboard_agents', seen);
    RETURN NULL;
END $$;
CREATE TRIGGER agent_added_or_deleted AFTER INSERT OR DELETE ON agents
    FOR EACH ROW EXECUTE FUNCTION cordboard_agent_changed();
CREATE TRIGGER agent_changed AFTER UPDATE ON agents
    FOR EACH ROW WHEN (
        (OLD.endpoint, OLD.active, OLD.sip_ha1, OLD.name, OLD.extension, OLD.kind, OLD.phone_kind, OLD.organization_id)
        IS DISTINCT FROM
        (NEW.endpoint, NEW.active, NEW.sip_ha1, NEW.name, NEW.extension, NEW.kind, NEW.phone_kind, NEW.organization_id))
    EXECUTE FUNCTION cordboard_agent_changed();

-- An organization switched on or off takes all its agents along. An empty payload: look at everything anew.
CREATE FUNCTION cordboard_organization_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.active AND NOT NEW.active THEN
        INSERT INTO sip_accounts_gone (endpoint)
        SELECT endpoint FROM agents WHERE organization_id = NEW.id ON CONFLICT DO NOTHING;
    ELSIF NEW.active AND NOT OLD.active THEN
        DELETE FROM sip_accounts_gone g USING agents a
        WHERE a.organization_id = NEW.id AND a.active AND a.sip_ha1 IS NOT NULL AND g.endpoint = a.endpoint;
    END IF;
    PERFORM pg_notify('cordboard_agents', '');
    RETURN NULL;
END $$;
CREATE TRIGGER organization_changed AFTER UPDATE ON organizations
    FOR EACH ROW WHEN ((OLD.active, OLD.country) IS DISTINCT FROM (NEW.active, NEW.country))
    EXECUTE FUNCTION cordboard_organization_changed();
