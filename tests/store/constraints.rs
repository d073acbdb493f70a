//! Every wrong edit by hand is refused, by a constraint whose name says what is wrong.

use crate::world::{World, request};
use cordboard::core::number::NumberClass;
use cordboard::core::record::Quota;
use cordboard::policy::NumberState as State;
use sqlx::error::DatabaseError;

async fn world() -> World {
    let world = World::acme().await;
    world.equipped("alice", &["+12125550101", "+12125550102"], 100).await;
    world
        .sql(
            "INSERT INTO organizations (slug, name, country, time_zone) VALUES ('other', 'Other', 'DE', 'Europe/Berlin');
             INSERT INTO agents (organization_id, name, endpoint, extension)
                SELECT id, 'Otto', 'otto', '10' FROM organizations WHERE slug = 'other';
             INSERT INTO numbers (organization_id, e164) SELECT id, '+4930555011' FROM organizations WHERE slug = 'other';
             INSERT INTO users (organization_id, email) SELECT id, 'otto@example.org' FROM organizations WHERE slug = 'other';
             INSERT INTO numbers (e164) VALUES ('+12125550109');
             UPDATE numbers SET is_primary = true WHERE e164 = '+12125550101';
             INSERT INTO api_tokens (organization_id, name, sha256) SELECT id, 'ci', sha256('x') FROM organizations WHERE slug = 'acme'",
        )
        .await;
    world.try_admit(&request("alice")).await.expect("an answer");
    world
}

const ACME: &str = "(SELECT id FROM organizations WHERE slug = 'acme')";
const ALICE: &str = "(SELECT id FROM agents WHERE endpoint = 'alice')";
const ONE: &str = "(SELECT id FROM numbers WHERE e164 = '+12125550101')";
const THEIRS: &str = "(SELECT id FROM numbers WHERE e164 = '+4930555011')";
const CALL: &str = "(SELECT id FROM calls LIMIT 1)";

/// Statement, and the constraint that refuses it.
const WRONG: &[(&str, &str)] = &[
    // organizations
    ("UPDATE organizations SET slug = 'Acme'", "slug_is_lower_case_letters_digits_hyphens"),
    ("UPDATE organizations SET slug = 'same'", "organizations_slug_key"),
    ("UPDATE organizations SET name = ''", "organization_name_is_not_empty"),
    ("UPDATE organizations SET country = 'us'", "country_is_two_capital_letters"),
    ("UPDATE organizations SET country = 'USA'", "country_is_two_capital_letters"),
    ("UPDATE organizations SET time_zone = 'New York'", "time_zone_is_an_iana_name"),
    ("UPDATE organizations SET time_zone = 'EST+5'", "time_zone_is_an_iana_name"),
    ("UPDATE organizations SET emergency_caller_id = '2125550101'", "e164_is_plus_and_7_to_15_digits"),
    // users
    ("UPDATE users SET email = 'otto'", "email_has_an_at_sign"),
    ("UPDATE users SET role = 'god'", "role_is_owner_admin_manager_or_agent"),
    ("INSERT INTO users (organization_id, email) VALUES (ACME, 'OTTO@example.org')", "users_email_is_unique"),
    // trunks and nodes
    ("INSERT INTO trunks (name) VALUES ('1carrier')", "trunk_name_is_a_letter_then_letters_digits"),
    ("INSERT INTO trunks (name) VALUES ('a&b')", "trunk_name_is_a_letter_then_letters_digits"),
    ("INSERT INTO trunks (name) VALUES ('carrier')", "trunks_name_key"),
    ("INSERT INTO trunks (name) VALUES ('Alice')", "trunk_is_not_an_endpoint"),
    ("INSERT INTO nodes (name, url) VALUES ('PBX', '')", "node_name_is_lower_case_letters_digits_hyphens"),
    // agents
    ("UPDATE agents SET endpoint = '100' WHERE endpoint = 'alice'", "endpoint_is_a_letter_then_letters_digits"),
    ("UPDATE agents SET endpoint = E'alice\\n' WHERE endpoint = 'alice'", "endpoint_is_a_letter_then_letters_digits"),
    ("UPDATE agents SET endpoint = repeat('a', 41) WHERE endpoint = 'alice'", "endpoint_is_a_letter_then_letters_digits"),
    ("UPDATE agents SET endpoint = 'otto' WHERE endpoint = 'alice'", "agents_endpoint_key"),
    ("UPDATE agents SET endpoint = 'CARRIER' WHERE endpoint = 'alice'", "endpoint_is_not_a_trunk"),
    ("UPDATE agents SET name = ''", "agent_name_is_not_empty"),
    ("UPDATE agents SET extension = '1'", "extension_is_2_to_6_digits"),
    ("INSERT INTO agents (organization_id, name, endpoint, extension) SELECT organization_id, 'x', 'x', '10' FROM agents
      WHERE endpoint = 'otto'", "agents_extension_is_unique_in_organization"),
    ("UPDATE agents SET kind = 'robot'", "agent_kind_is_human_or_ai"),
    ("UPDATE agents SET phone_kind = 'fax'", "phone_kind_is_phone_or_browser"),
    ("UPDATE agents SET daily_limit = 0", "agent_daily_limit_is_1_to_100000"),
    ("UPDATE agents SET daily_limit = 100001", "agent_daily_limit_is_1_to_100000"),
    ("UPDATE agents SET sip_ha1 = 'secret'", "sip_ha1_is_32_hex_digits"),
    ("UPDATE agents SET user_id = (SELECT id FROM users) WHERE endpoint = 'alice'", "agents_user_is_of_the_same_organization"),
    ("UPDATE agents SET organization_id = (SELECT id FROM organizations WHERE slug = 'other') WHERE endpoint = 'alice'", "*"),
    ("DELETE FROM agents WHERE endpoint = 'alice'", "*"),
    // numbers
    ("INSERT INTO numbers (e164) VALUES ('12125550103')", "e164_is_plus_and_7_to_15_digits"),
    ("INSERT INTO numbers (e164) VALUES ('+02125550103')", "e164_is_plus_and_7_to_15_digits"),
    ("INSERT INTO numbers (e164) VALUES ('+1 212 555 0103')", "e164_is_plus_and_7_to_15_digits"),
    ("INSERT INTO numbers (e164) VALUES ('+12125550101')", "numbers_e164_is_unique"),
    ("UPDATE numbers SET region = 'usa'", "number_region_is_two_capital_letters"),
    ("UPDATE numbers SET daily_limit = 0", "number_daily_limit_is_1_to_100000"),
    ("UPDATE numbers SET state = 'lost'", "number_state_is_known"),
    ("UPDATE numbers SET state = 'available' WHERE id = ONE", "number_has_an_owner_unless_available"),
    ("INSERT INTO numbers (e164, state) VALUES ('+12125550103', 'assigned')", "number_has_an_owner_unless_available"),
    ("INSERT INTO numbers (e164, organization_id, state) VALUES ('+12125550103', ACME, 'available')",
     "number_has_an_owner_unless_available"),
    ("UPDATE numbers SET is_primary = true WHERE organization_id = ACME", "organization_has_one_primary_number"),
    ("UPDATE numbers SET is_primary = true WHERE e164 = '+12125550109'", "primary_number_has_an_owner"),
    ("UPDATE numbers SET metadata = '[]'", "number_metadata_is_an_object"),
    ("UPDATE numbers SET trunk_id = gen_random_uuid()", "numbers_trunk_id_fkey"),
    ("UPDATE numbers SET organization_id = NULL WHERE e164 = '+12125550102'", "assignment_number_is_of_the_same_organization"),
    ("UPDATE numbers SET organization_id = (SELECT id FROM organizations WHERE slug = 'other') WHERE e164 = '+12125550102'",
     "assignment_number_is_of_the_same_organization"),
    ("DELETE FROM numbers WHERE id = ONE", "*"),
    // assignments
    ("INSERT INTO assignments (agent_id, number_id) VALUES (ALICE, ONE)", "agent_has_a_number_once"),
    ("INSERT INTO assignments (agent_id, number_id) VALUES (ALICE, THEIRS)", "assignment_number_is_of_the_same_organization"),
    ("INSERT INTO assignments (agent_id, number_id, organization_id) VALUES
        (ALICE, THEIRS, (SELECT id FROM organizations WHERE slug = 'other'))", "assignment_agent_is_of_the_same_organization"),
    ("INSERT INTO assignments (agent_id, number_id) SELECT ALICE, id FROM numbers WHERE e164 = '+12125550109'",
     "assignment_number_is_of_the_same_organization"),
    ("INSERT INTO assignments (agent_id, number_id) VALUES (gen_random_uuid(), ONE)",
     "assignment_agent_is_of_the_same_organization"),
    ("INSERT INTO assignments (agent_id, number_id, ends_at) VALUES (ALICE, ONE, now() + '1 day')",
     "assignment_times_do_not_overlap"),
    ("UPDATE assignments SET daily_limit = 0", "assignment_daily_limit_is_1_to_1000"),
    ("UPDATE assignments SET daily_limit = 1001", "assignment_daily_limit_is_1_to_1000"),
    ("UPDATE assignments SET allowed_countries = '{}'", "allowed_countries_are_two_capital_letters_each"),
    ("UPDATE assignments SET allowed_countries = '{us}'", "allowed_countries_are_two_capital_letters_each"),
    ("UPDATE assignments SET allowed_countries = '{\"US,CA\"}'", "allowed_countries_are_two_capital_letters_each"),
    ("UPDATE assignments SET allowed_countries = '{US,NULL}'", "allowed_countries_are_two_capital_letters_each"),
    ("UPDATE assignments SET allowed_countries = NULL", "*"),
    ("UPDATE assignments SET allowed_classes = '{cheap}'", "allowed_classes_are_known"),
    ("UPDATE assignments SET allowed_classes = '{premium,NULL}'", "allowed_classes_are_known"),
    ("UPDATE assignments SET ends_at = starts_at - interval '1 second'", "assignment_ends_after_it_starts"),
    // usage
    ("UPDATE agent_days SET used = -1", "agent_used_is_not_negative"),
    ("UPDATE number_days SET used = -1", "number_used_is_not_negative"),
    ("UPDATE assignment_days SET used = -1", "assignment_used_is_not_negative"),
    ("INSERT INTO agent_days VALUES (gen_random_uuid(), '2026-01-01', 1)", "agent_days_agent_id_fkey"),
    // calls
    ("UPDATE calls SET organization_id = NULL", "*"),
    ("UPDATE calls SET day = NULL", "counted_call_has_agent_number_and_day"),
    ("UPDATE calls SET assignment_id = NULL", "*"),
    ("UPDATE calls SET number_id = THEIRS", "call_assignment_is_of_its_agent_and_number"),
    ("UPDATE calls SET agent_id = (SELECT id FROM agents WHERE endpoint = 'otto')", "*"),
    ("UPDATE calls SET quota = 'spent'", "call_quota_is_known"),
    ("UPDATE calls SET origin = 'fax'", "call_origin_is_phone_or_api"),
    ("UPDATE calls SET first_end = 'both'", "call_first_end_is_agent_or_customer"),
    ("UPDATE calls SET hung_up_by = 'nobody'", "call_hung_up_by_is_known"),
    ("DELETE FROM calls", "*"),
    ("UPDATE call_numbers SET dialled = repeat('1', 81)", "dialled_is_at_most_80_characters"),
    ("UPDATE call_numbers SET destination = '911'", "e164_is_plus_and_7_to_15_digits"),
    ("UPDATE call_facts SET at = now()", "facts_are_only_added"),
    ("DELETE FROM call_facts", "facts_are_only_added"),
    ("TRUNCATE call_facts", "facts_are_only_added"),
    ("TRUNCATE calls CASCADE", "facts_are_only_added"),
    ("INSERT INTO call_facts VALUES (CALL, -1, now(), 'x', '{}')", "fact_seq_is_not_negative"),
    ("INSERT INTO call_facts VALUES (CALL, 0, now(), 'x', '{}')", "call_facts_pkey"),
    ("INSERT INTO call_facts VALUES (gen_random_uuid(), 0, now(), 'x', '{}')", "call_facts_call_id_fkey"),
    // tokens
    ("INSERT INTO api_tokens (organization_id, name, sha256) VALUES (ACME, 'new', '\\x00')", "token_sha256_is_32_bytes"),
    ("INSERT INTO api_tokens (organization_id, name, sha256) VALUES (ACME, '', sha256('y'))", "token_name_is_not_empty"),
    ("INSERT INTO api_tokens (organization_id, name, sha256) VALUES (ACME, 'ci', sha256('y'))",
     "token_name_is_unique_in_organization"),
    ("INSERT INTO api_tokens (organization_id, name, sha256) VALUES (ACME, 'new', sha256('x'))", "api_tokens_sha256_key"),
];

#[tokio::test]
async fn wrong_edits_are_refused() {
    let world = world().await;
    for (statement, constraint) in WRONG {
        let sql = statement
            .replace("ACME", ACME)
            .replace("ALICE", ALICE)
            .replace("ONE", ONE)
            .replace("THEIRS", THEIRS)
            .replace("CALL,", &format!("{CALL},"));
        let error = world.try_sql(&sql).await.expect_err(statement);
        let name = error.as_database_error().and_then(DatabaseError::constraint).unwrap_or("?").to_owned();
        let class = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
        assert!(class.starts_with("23"), "{statement}: {error}");
        // a star: several would refuse it
        assert!(*constraint == "*" || name == *constraint, "{statement}: {name}: {error}");
    }
    world.check().await;
}

#[tokio::test]
async fn right_edits_are_accepted() {
    let world = world().await;
    for statement in [
        "UPDATE assignments SET ends_at = now()",
        "INSERT INTO assignments (agent_id, number_id) SELECT a.id, n.id FROM agents a JOIN numbers n USING (organization_id)",
        "UPDATE assignments SET allowed_countries = '{US,CA,MX}', allowed_classes = '{premium,satellite}' WHERE ends_at IS NULL",
        "UPDATE assignments SET daily_limit = 1000",
        // an ended assignment does not keep a number from moving on
        "UPDATE assignments SET ends_at = now() WHERE ends_at IS NULL",
        "UPDATE numbers SET organization_id = NULL WHERE e164 = '+12125550102'",
        "UPDATE numbers SET organization_id = (SELECT id FROM organizations WHERE slug = 'other') WHERE e164 = '+12125550102'",
        "UPDATE numbers SET state = 'resting' WHERE e164 = '+12125550102'",
        "UPDATE numbers SET state = 'retired', organization_id = NULL WHERE e164 = '+12125550102'",
        // planned, one after the other
        "INSERT INTO assignments (agent_id, number_id, starts_at, ends_at) SELECT a.id, n.id, now() + '1 day', now() + '2 days'
         FROM agents a, numbers n WHERE endpoint = 'alice' AND e164 = '+12125550101'",
        "INSERT INTO assignments (agent_id, number_id, starts_at) SELECT a.id, n.id, now() + '2 days'
         FROM agents a, numbers n WHERE endpoint = 'alice' AND e164 = '+12125550101'",
    ] {
        world.sql(statement).await;
    }
}

/// The words in the tables are those of the program.
#[tokio::test]
async fn constraints_know_the_program_s_words() {
    let world = world().await;
    for class in NumberClass::ALL {
        world.sql(&format!("UPDATE assignments SET allowed_classes = '{{{class}}}'")).await;
    }
    for state in [State::Assigned, State::Inactive, State::Resting, State::Retired] {
        world.sql(&format!("UPDATE numbers SET state = '{}' WHERE id = {ONE}", state.as_str())).await;
    }
    for quota in [Quota::None, Quota::Reserved, Quota::Committed, Quota::Refunded] {
        world.sql(&format!("UPDATE calls SET quota = '{}'", quota.as_str())).await;
    }
}
