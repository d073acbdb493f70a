use super::*;

/// The table, written out once more: `-` nothing, `o` own, `*` everything; agent, manager, admin, owner.
const TABLE: [(&str, &str); 21] = [
    ("calls.see", "o***"),
    ("calls.start", "oo**"),
    ("calls.hang_up", "oo**"),
    ("usage.see", "o***"),
    ("agents.see", "o***"),
    ("agents.manage", "--**"),
    ("numbers.see", "o***"),
    ("numbers.manage", "--**"),
    ("numbers.claim", "--**"),
    ("numbers.release", "---*"),
    ("assignments.manage", "--**"),
    ("imports.manage", "--**"),
    ("campaigns.see", "-***"),
    ("campaigns.manage", "--**"),
    ("metrics.see", "o***"),
    ("live.see", "o***"),
    ("webhooks.manage", "--**"),
    ("users.see", "-***"),
    ("users.manage", "--**"),
    ("tokens.manage", "--**"),
    ("audit.see", "--**"),
];

#[test]
fn each_role_reaches_as_far_as_the_table_says() {
    assert_eq!(TABLE.len(), Action::ALL.len());
    for (action, row) in TABLE {
        let action: Action = action.parse().expect("an action");
        for (role, wanted) in Role::ALL.into_iter().zip(row.chars()) {
            let found = match reach(role, action) {
                Reach::Nothing => '-',
                Reach::Own => 'o',
                Reach::Everything => '*',
            };
            assert_eq!(found, wanted, "{role} {action}");
        }
    }
}

#[test]
fn who_is_more_reaches_at_least_as_far() {
    for action in Action::ALL {
        let reaches: Vec<Reach> = Role::ALL.into_iter().map(|role| reach(role, *action)).collect();
        assert!(reaches.is_sorted(), "{action}: {reaches:?}");
    }
}

#[test]
fn only_some_acts_are_left_of_a_narrowed_key_and_none_that_makes_keys() {
    for role in Role::ALL {
        for action in Action::ALL {
            let all: BTreeSet<Action> = Action::ALL.iter().copied().collect();
            let wanted = if action.makes_keys() { Reach::Nothing } else { reach(role, *action) };
            assert_eq!(reach_within(role, Some(&all), *action), wanted);
            assert_eq!(reach_within(role, None, *action), reach(role, *action));
            assert_eq!(reach_within(role, Some(&BTreeSet::new()), *action), Reach::Nothing);
        }
    }
}

#[test]
fn nobody_gives_more_than_they_are() {
    let given = |giver| Role::ALL.into_iter().filter(|role| may_give(giver, *role)).count();
    assert_eq!(Role::ALL.map(given), [1, 2, 3, 4]);
}

#[test]
fn names_are_read_as_they_are_written() {
    for role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
    }
    for action in Action::ALL {
        assert_eq!(action.to_string().parse(), Ok(*action));
        assert_eq!(serde_json::to_value(action).expect("json"), action.as_str());
    }
    assert_eq!("root".parse::<Role>(), Err(UnknownRole));
    assert_eq!("Agent".parse::<Role>(), Err(UnknownRole));
    assert_eq!("calls".parse::<Action>(), Err(UnknownAction));
}
