-- Who calls, and from which number. People edit these tables by hand, so every rule that can be a constraint is one, and
-- its name says what is wrong.

-- == small words ==

CREATE DOMAIN e164 AS text
    CONSTRAINT e164_is_plus_and_7_to_15_digits CHECK (VALUE ~ '^\+[1-9][0-9]{6,14}$');
COMMENT ON DOMAIN e164 IS 'A phone number in international form, such as +12025550123.';

-- Version 7: ids sort by time. The first 48 bits are milliseconds, the rest is random.
CREATE FUNCTION cordboard_uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- The one place where "today" is decided: the database's clock, in the organization's zone. Tests replace it to move time.
CREATE FUNCTION cordboard_local_day(zone text) RETURNS date LANGUAGE sql VOLATILE AS $$
    SELECT (clock_timestamp() AT TIME ZONE zone)::date
$$;

CREATE FUNCTION cordboard_is_time_zone(zone text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = zone) AND zone !~ '^(posix|right)/|^(localtime|posixrules|Factory)$'
$$;

CREATE FUNCTION cordboard_each_matches(texts text[], pattern text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(bool_and(t IS NOT NULL AND t ~ pattern), true) FROM unnest(texts) t
$$;

-- == organizations and users ==

CREATE TABLE organizations (
    id                  uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    slug                text NOT NULL UNIQUE
        CONSTRAINT slug_is_lower_case_letters_digits_hyphens CHECK (slug ~ '^[a-z][a-z0-9-]{0,39}$'),
    name                text NOT NULL CONSTRAINT organization_name_is_not_empty CHECK (name <> ''),
    country             text NOT NULL CONSTRAINT country_is_two_capital_letters CHECK (country ~ '^[A-Z]{2}$'),
    time_zone           text NOT NULL
        CONSTRAINT time_zone_is_an_iana_name CHECK (cordboard_is_time_zone(time_zone)),
    emergency_caller_id e164,
    active              boolean NOT NULL DEFAULT true,
    created_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE organizations IS 'The tenants.';
COMMENT ON COLUMN organizations.slug IS 'Its name on the command line and in the API, such as acme.';
COMMENT ON COLUMN organizations.country IS 'By which numbers dialled without + are read, such as US.';
COMMENT ON COLUMN organizations.time_zone IS 'IANA name, such as America/New_York. Daily limits begin anew at its midnight.';
COMMENT ON COLUMN organizations.emergency_caller_id IS 'What emergency services see as caller; where they call back.';
COMMENT ON COLUMN organizations.active IS 'false: none of its agents may call.';

CREATE TABLE users (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    email           text NOT NULL CONSTRAINT email_has_an_at_sign CHECK (email ~ '^[^@\s]+@[^@\s]+$'),
    name            text NOT NULL DEFAULT '',
    role            text NOT NULL DEFAULT 'agent'
        CONSTRAINT role_is_owner_admin_manager_or_agent CHECK (role IN ('owner', 'admin', 'manager', 'agent')),
    active          boolean NOT NULL DEFAULT true,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, organization_id)
);
CREATE UNIQUE INDEX users_email_is_unique ON users (lower(email));
CREATE INDEX users_of_organization ON users (organization_id);
COMMENT ON TABLE users IS 'Who signs in.';

-- == Asterisk ==

CREATE TABLE trunks (
    id         uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    name       text NOT NULL UNIQUE
        CONSTRAINT trunk_name_is_a_letter_then_letters_digits CHECK (name ~ '^[A-Za-z][A-Za-z0-9_-]{0,39}$'),
    plus       boolean NOT NULL DEFAULT true,
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE trunks IS 'The ways to carriers: endpoints in pjsip.conf.';
COMMENT ON COLUMN trunks.name IS 'The name of the endpoint in pjsip.conf.';
COMMENT ON COLUMN trunks.plus IS 'Whether the carrier wants + before numbers.';

CREATE TABLE nodes (
    name         text PRIMARY KEY
        CONSTRAINT node_name_is_lower_case_letters_digits_hyphens CHECK (name ~ '^[a-z][a-z0-9-]{0,30}$'),
    url          text NOT NULL,
    active       boolean NOT NULL DEFAULT true,
    version      text,
    startup_time timestamptz,
    seen_at      timestamptz
);
COMMENT ON TABLE nodes IS 'The Asterisk servers, as last seen. Written by the daemon.';

-- == agents ==

CREATE TABLE agents (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    name            text NOT NULL CONSTRAINT agent_name_is_not_empty CHECK (name <> ''),
    extension       text CONSTRAINT extension_is_2_to_6_digits CHECK (extension ~ '^[0-9]{2,6}$'),
    endpoint        text NOT NULL UNIQUE
        CONSTRAINT endpoint_is_a_letter_then_letters_digits CHECK (endpoint ~ '^[A-Za-z][A-Za-z0-9_-]{0,39}$'),
    kind            text NOT NULL DEFAULT 'human' CONSTRAINT agent_kind_is_human_or_ai CHECK (kind IN ('human', 'ai')),
    phone_kind      text NOT NULL DEFAULT 'phone'
        CONSTRAINT phone_kind_is_phone_or_browser CHECK (phone_kind IN ('phone', 'browser')),
    daily_limit     integer CONSTRAINT agent_daily_limit_is_1_to_100000 CHECK (daily_limit BETWEEN 1 AND 100000),
    active          boolean NOT NULL DEFAULT true,
    sip_ha1         text CONSTRAINT sip_ha1_is_32_hex_digits CHECK (sip_ha1 ~ '^[0-9a-f]{32}$'),
    user_id         uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, organization_id),
    CONSTRAINT agents_extension_is_unique_in_organization UNIQUE (organization_id, extension),
    CONSTRAINT agents_user_is_of_the_same_organization
        FOREIGN KEY (user_id, organization_id) REFERENCES users (id, organization_id)
);
CREATE INDEX agents_of_user ON agents (user_id);
COMMENT ON TABLE agents IS 'Who talks.';
COMMENT ON COLUMN agents.endpoint IS 'The SIP account: user name of the phone, and its endpoint in Asterisk. Starts with a letter.';
COMMENT ON COLUMN agents.daily_limit IS 'Calls a day over all numbers; empty: no such limit.';
COMMENT ON COLUMN agents.active IS 'false: may not call, and the phone cannot sign in.';
COMMENT ON COLUMN agents.sip_ha1 IS 'MD5 of endpoint:asterisk:password, in hex; empty: the phone cannot sign in.';

-- Both are endpoints in the same Asterisk: an agent named like a trunk would be one.
CREATE FUNCTION cordboard_endpoint_is_one_thing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'agents' AND EXISTS (SELECT FROM trunks WHERE lower(name) = lower(NEW.endpoint)) THEN
        RAISE EXCEPTION 'there is a trunk of the name %', NEW.endpoint
            USING ERRCODE = 'check_violation', CONSTRAINT = 'endpoint_is_not_a_trunk', TABLE = 'agents';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER endpoint_is_not_a_trunk BEFORE INSERT OR UPDATE OF endpoint ON agents
    FOR EACH ROW EXECUTE FUNCTION cordboard_endpoint_is_one_thing();

CREATE FUNCTION cordboard_trunk_is_one_thing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM agents WHERE lower(endpoint) = lower(NEW.name)) THEN
        RAISE EXCEPTION 'there is an agent with the endpoint %', NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'trunk_is_not_an_endpoint', TABLE = 'trunks';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trunk_is_not_an_endpoint BEFORE INSERT OR UPDATE OF name ON trunks
    FOR EACH ROW EXECUTE FUNCTION cordboard_trunk_is_one_thing();

-- == numbers ==

CREATE TABLE numbers (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid REFERENCES organizations,
    e164            e164 NOT NULL CONSTRAINT numbers_e164_is_unique UNIQUE,
    region          text CONSTRAINT number_region_is_two_capital_letters CHECK (region ~ '^([A-Z]{2}|001)$'),
    friendly_name   text,
    provider        text,
    trunk_id        uuid REFERENCES trunks,
    daily_limit     integer CONSTRAINT number_daily_limit_is_1_to_100000 CHECK (daily_limit BETWEEN 1 AND 100000),
    state           text NOT NULL
        CONSTRAINT number_state_is_known CHECK (state IN ('available', 'assigned', 'inactive', 'resting', 'retired')),
    is_primary      boolean NOT NULL DEFAULT false,
    metadata        jsonb NOT NULL DEFAULT '{}'
        CONSTRAINT number_metadata_is_an_object CHECK (jsonb_typeof(metadata) = 'object'),
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, organization_id),
    -- an available number belongs to nobody, a retired one to its last owner or nobody, any other to somebody
    CONSTRAINT number_has_an_owner_unless_available
        CHECK (state = 'retired' OR (state = 'available') = (organization_id IS NULL)),
    CONSTRAINT primary_number_has_an_owner CHECK (NOT is_primary OR organization_id IS NOT NULL)
);
CREATE INDEX numbers_of_organization ON numbers (organization_id);
CREATE INDEX numbers_of_trunk ON numbers (trunk_id);
CREATE UNIQUE INDEX organization_has_one_primary_number ON numbers (organization_id) WHERE is_primary;
COMMENT ON TABLE numbers IS 'The phone numbers that are ours.';
COMMENT ON COLUMN numbers.organization_id IS 'Whose it is; empty while it is available.';
COMMENT ON COLUMN numbers.e164 IS 'Such as +12025550123.';
COMMENT ON COLUMN numbers.trunk_id IS 'The trunk that can present it. Left empty at INSERT, it is the only trunk, if there is just one.';
COMMENT ON COLUMN numbers.daily_limit IS 'Calls a day over all agents; empty: no such limit.';
COMMENT ON COLUMN numbers.state IS
    'available (nobody''s), assigned (in use), inactive (switched off), resting (recovers), retired (given back). Left empty at '
    'INSERT: assigned if it has an organization, else available.';

CREATE FUNCTION cordboard_number_defaults() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.trunk_id IS NULL THEN
            SELECT (array_agg(id))[1] INTO NEW.trunk_id FROM trunks HAVING count(*) = 1;
        END IF;
        NEW.state := coalesce(NEW.state, CASE WHEN NEW.organization_id IS NULL THEN 'available' ELSE 'assigned' END);
    ELSIF NEW.organization_id IS DISTINCT FROM OLD.organization_id AND NEW.state = OLD.state THEN
        -- given to somebody or taken back, and nothing said about the state
        IF NEW.organization_id IS NULL AND NEW.state <> 'retired' THEN
            NEW.state := 'available';
        ELSIF NEW.organization_id IS NOT NULL AND NEW.state = 'available' THEN
            NEW.state := 'assigned';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER number_defaults BEFORE INSERT OR UPDATE ON numbers
    FOR EACH ROW EXECUTE FUNCTION cordboard_number_defaults();

-- == assignments ==

CREATE TABLE assignments (
    id                uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id   uuid NOT NULL REFERENCES organizations,
    agent_id          uuid NOT NULL,
    number_id         uuid NOT NULL REFERENCES numbers,
    daily_limit       integer NOT NULL DEFAULT 100
        CONSTRAINT assignment_daily_limit_is_1_to_1000 CHECK (daily_limit BETWEEN 1 AND 1000),
    allowed_countries text[] NOT NULL DEFAULT '{US,CA}'
        CONSTRAINT allowed_countries_are_two_capital_letters_each
            CHECK (cardinality(allowed_countries) > 0 AND cordboard_each_matches(allowed_countries, '^[A-Z]{2}$')),
    allowed_classes   text[] NOT NULL DEFAULT '{}'
        CONSTRAINT allowed_classes_are_known CHECK (allowed_classes <@ ARRAY[
            'geographic', 'mobile', 'geographic_or_mobile', 'toll_free', 'premium', 'shared_cost', 'voip', 'personal', 'pager',
            'universal_access', 'voicemail', 'satellite', 'international_other', 'unknown']),
    starts_at         timestamptz NOT NULL DEFAULT now(),
    ends_at           timestamptz CONSTRAINT assignment_ends_after_it_starts CHECK (ends_at >= starts_at),
    created_at        timestamptz NOT NULL DEFAULT now(),
    -- the organization, as long as it is open: an ended one does not keep the number from moving on to another organization
    open_organization_id uuid GENERATED ALWAYS AS (CASE WHEN ends_at IS NULL THEN organization_id END) STORED,
    UNIQUE (id, agent_id, number_id),
    CONSTRAINT assignment_agent_is_of_the_same_organization
        FOREIGN KEY (agent_id, organization_id) REFERENCES agents (id, organization_id),
    CONSTRAINT assignment_number_is_of_the_same_organization
        FOREIGN KEY (number_id, open_organization_id) REFERENCES numbers (id, organization_id)
);
CREATE UNIQUE INDEX agent_has_a_number_once ON assignments (agent_id, number_id) WHERE ends_at IS NULL;
CREATE INDEX assignments_of_agent ON assignments (agent_id);
CREATE INDEX assignments_of_number ON assignments (number_id);
CREATE INDEX assignments_of_organization ON assignments (organization_id);
COMMENT ON TABLE assignments IS 'Which agent may call from which number. Ended (ends_at), never deleted.';
COMMENT ON COLUMN assignments.organization_id IS 'Left empty at INSERT: the agent''s.';
COMMENT ON COLUMN assignments.daily_limit IS 'Calls a day of this agent from this number, 1 to 1000.';
COMMENT ON COLUMN assignments.allowed_countries IS 'Countries that may be called, such as {US,CA}.';
COMMENT ON COLUMN assignments.allowed_classes IS 'Dear kinds of numbers that may be called all the same, such as {premium,satellite}.';
COMMENT ON COLUMN assignments.ends_at IS 'Empty: open. Set it to now() to end the assignment.';
COMMENT ON COLUMN assignments.open_organization_id IS 'Computed; do not set.';

-- Times of one agent and number must not overlap, or their limits would add up. The agent's row is locked first, as a call does,
-- so two inserts cannot miss each other.
CREATE FUNCTION cordboard_assignment_checks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM agents WHERE id = NEW.agent_id FOR NO KEY UPDATE;
    IF NEW.organization_id IS NULL THEN
        SELECT organization_id INTO NEW.organization_id FROM agents WHERE id = NEW.agent_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no agent %', NEW.agent_id USING ERRCODE = 'foreign_key_violation',
                CONSTRAINT = 'assignment_agent_is_of_the_same_organization', TABLE = 'assignments';
        END IF;
    END IF;
    IF EXISTS (
        SELECT FROM assignments a
        WHERE a.agent_id = NEW.agent_id AND a.number_id = NEW.number_id AND a.id <> NEW.id
            AND (a.ends_at IS NOT NULL OR NEW.ends_at IS NOT NULL) -- two open ones are refused by their index
            AND a.starts_at < coalesce(NEW.ends_at, 'infinity') AND NEW.starts_at < coalesce(a.ends_at, 'infinity')
            AND a.starts_at IS DISTINCT FROM a.ends_at AND NEW.starts_at IS DISTINCT FROM NEW.ends_at -- never in force
    ) THEN
        RAISE EXCEPTION 'this agent has this number already in that time' USING ERRCODE = 'exclusion_violation',
            CONSTRAINT = 'assignment_times_do_not_overlap', TABLE = 'assignments';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER assignment_checks BEFORE INSERT OR UPDATE OF agent_id, number_id, starts_at, ends_at ON assignments
    FOR EACH ROW EXECUTE FUNCTION cordboard_assignment_checks();

-- == usage ==
-- One row a day. The day is the organization's; nothing is ever set back to zero. fillfactor: updates stay on their page.

CREATE TABLE agent_days (
    agent_id     uuid NOT NULL REFERENCES agents,
    day          date NOT NULL,
    used         integer NOT NULL DEFAULT 0 CONSTRAINT agent_used_is_not_negative CHECK (used >= 0),
    last_used_at timestamptz,
    PRIMARY KEY (agent_id, day)
) WITH (fillfactor = 70);

CREATE TABLE number_days (
    number_id    uuid NOT NULL REFERENCES numbers,
    day          date NOT NULL,
    used         integer NOT NULL DEFAULT 0 CONSTRAINT number_used_is_not_negative CHECK (used >= 0),
    last_used_at timestamptz,
    PRIMARY KEY (number_id, day)
) WITH (fillfactor = 70);

CREATE TABLE assignment_days (
    assignment_id uuid NOT NULL REFERENCES assignments,
    day           date NOT NULL,
    used          integer NOT NULL DEFAULT 0 CONSTRAINT assignment_used_is_not_negative CHECK (used >= 0),
    last_used_at  timestamptz,
    PRIMARY KEY (assignment_id, day)
) WITH (fillfactor = 70);

COMMENT ON TABLE agent_days IS 'Calls of an agent on a day of the organization. A call that never left for the carrier is given back.';
COMMENT ON TABLE number_days IS 'Calls from a number on a day of the organization, by all agents.';
COMMENT ON TABLE assignment_days IS 'Calls of an agent from a number on a day of the organization.';

CREATE VIEW assignment_usage AS
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
WHERE a.ends_at IS NULL OR a.ends_at > now();
COMMENT ON VIEW assignment_usage IS 'Who may call from which number, and how often still today.';

-- == tokens ==

CREATE TABLE api_tokens (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    name            text NOT NULL CONSTRAINT token_name_is_not_empty CHECK (name <> ''),
    sha256          bytea NOT NULL UNIQUE CONSTRAINT token_sha256_is_32_bytes CHECK (length(sha256) = 32),
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_used_at    timestamptz,
    revoked_at      timestamptz
);
CREATE UNIQUE INDEX token_name_is_unique_in_organization ON api_tokens (organization_id, name) WHERE revoked_at IS NULL;
COMMENT ON TABLE api_tokens IS 'Keys to the API. Only their SHA-256 is kept.';
