-- The second wall between tenants. The first is in the program: each statement of the API names its organization. Should one
-- forget to, these policies show it nothing of anybody else's. They bind the role cordboard_tenant, as which the API speaks
-- (SET LOCAL ROLE, with the organization in cordboard.organization); the owner of the tables, as whom the daemon places calls
-- and people work by hand, is not bound, and pays nothing.
--
-- A table that is added later must have its policies, and its grants, in its own migration: a test looks.

CREATE FUNCTION cordboard_organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('cordboard.organization', true), '')::uuid
$$;
COMMENT ON FUNCTION cordboard_organization IS 'For whom the API speaks in this transaction; empty: nobody.';

-- For views: they are read with the rights of their owner, so policies do not bind them.
CREATE FUNCTION cordboard_may_see(organization uuid) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_user <> 'cordboard_tenant' OR organization = nullif(current_setting('cordboard.organization', true), '')::uuid
$$;

DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO cordboard_tenant', current_schema()); END $$;

-- == what has an organization ==

ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON organizations TO cordboard_tenant
    USING (id = cordboard_organization()) WITH CHECK (id = cordboard_organization());
GRANT SELECT, UPDATE (name, country, time_zone, emergency_caller_id) ON organizations TO cordboard_tenant;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON users TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
-- Not password_hash: it can be set, and not read.
GRANT SELECT (id, organization_id, email, name, role, active, created_at, password_changed_at, last_seen_at),
    INSERT, UPDATE (email, name, role, active, password_hash, password_changed_at) ON users TO cordboard_tenant;

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sessions TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT (id, organization_id, user_id, created_at, seen_at, idle_s, expires_at, ended_at), UPDATE (ended_at)
    ON sessions TO cordboard_tenant;

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON api_tokens TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT (id, organization_id, name, created_at, last_used_at, revoked_at, role, acts, agent_id, expires_at, created_by),
    INSERT, UPDATE (revoked_at) ON api_tokens TO cordboard_tenant;

ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON agents TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE ON agents TO cordboard_tenant;

-- What waits in the inventory is nobody's, and anybody may take it; what is taken is the taker's.
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_or_available ON numbers FOR SELECT TO cordboard_tenant
    USING (organization_id = cordboard_organization() OR organization_id IS NULL AND state = 'available');
CREATE POLICY add_own ON numbers FOR INSERT TO cordboard_tenant
    WITH CHECK (organization_id = cordboard_organization());
CREATE POLICY change_own_or_take ON numbers FOR UPDATE TO cordboard_tenant
    USING (organization_id = cordboard_organization() OR organization_id IS NULL AND state = 'available')
    WITH CHECK (organization_id = cordboard_organization() OR organization_id IS NULL AND state = 'available');
CREATE POLICY delete_own ON numbers FOR DELETE TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE, DELETE ON numbers TO cordboard_tenant;

ALTER TABLE assignments ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON assignments TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE ON assignments TO cordboard_tenant;

ALTER TABLE calls ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON calls TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON calls TO cordboard_tenant;

-- == what belongs to such a thing: seen if that is seen ==

ALTER TABLE call_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_call ON call_numbers TO cordboard_tenant USING (EXISTS (SELECT FROM calls c WHERE c.id = call_id));
ALTER TABLE call_facts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_call ON call_facts TO cordboard_tenant USING (EXISTS (SELECT FROM calls c WHERE c.id = call_id));
ALTER TABLE call_decisions ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_call ON call_decisions TO cordboard_tenant USING (EXISTS (SELECT FROM calls c WHERE c.id = call_id));
ALTER TABLE agent_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_agent ON agent_days TO cordboard_tenant USING (EXISTS (SELECT FROM agents a WHERE a.id = agent_id));
ALTER TABLE assignment_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_assignment ON assignment_days TO cordboard_tenant
    USING (EXISTS (SELECT FROM assignments a WHERE a.id = assignment_id));
-- Of an available number, not what others did with it.
ALTER TABLE number_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_own_number ON number_days TO cordboard_tenant
    USING (EXISTS (SELECT FROM numbers n WHERE n.id = number_id AND n.organization_id = cordboard_organization()));
GRANT SELECT ON call_numbers, call_facts, call_decisions, agent_days, assignment_days, number_days TO cordboard_tenant;

-- == what is everybody's ==

GRANT SELECT ON trunks TO cordboard_tenant;

-- == what works for whoever changes something ==

ALTER FUNCTION cordboard_agent_changed() SECURITY DEFINER SET search_path FROM CURRENT;
-- An agent's endpoint must not be that of any trunk, and an assignment reads its agent: both see enough as they are.

CREATE OR REPLACE VIEW assignment_usage AS
SELECT
    o.slug AS organization,
    g.name AS agent,
    g.endpoint,
    n.e164 AS number,
    a.id AS assignment_id,
    coalesce(u.used, 0) AS calls_made_today,
    a.daily_limit,
    greatest(a.daily_limit - coalesce(u.used, 0), 0) AS remaining,
    a.allowed_countries,
    a.allowed_classes,
    o.active AND g.active AND n.state = 'assigned' AND a.starts_at <= now() AS active,
    n.state AS number_state,
    coalesce(nu.used, 0) AS number_calls_today,
    n.daily_limit AS number_daily_limit,
    coalesce(gu.used, 0) AS agent_calls_today,
    g.daily_limit AS agent_daily_limit,
    d.day AS local_day,
    u.last_used_at,
    a.starts_at,
    a.ends_at,
    a.organization_id,
    a.agent_id,
    a.number_id
FROM assignments a
JOIN organizations o ON o.id = a.organization_id
JOIN agents g ON g.id = a.agent_id
JOIN numbers n ON n.id = a.number_id
CROSS JOIN LATERAL (SELECT cordboard_local_day(o.time_zone) AS day) d
LEFT JOIN assignment_days u ON u.assignment_id = a.id AND u.day = d.day
LEFT JOIN number_days nu ON nu.number_id = n.id AND nu.day = d.day
LEFT JOIN agent_days gu ON gu.agent_id = g.id AND gu.day = d.day
WHERE (a.ends_at IS NULL OR a.ends_at > now()) AND cordboard_may_see(a.organization_id);
GRANT SELECT ON assignment_usage TO cordboard_tenant;
