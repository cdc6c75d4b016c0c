//! Which tests hold each trap, by its number.

use std::path::Path;

/// The number of a trap, and the tests: a file and the words in it that begin the test or its row.
const TABLE: &[(u32, &[(&str, &str)])] = &[
    (
        1,
        &[
            ("tests/traps/files.rs", "fn every_spelling_means_the_same("),
            ("src/symvers/read/tests.rs", "fn every_age_is_read("),
        ],
    ),
    (
        2,
        &[("tests/traps/files.rs", "fn every_spelling_means_the_same(")],
    ),
    (
        3,
        &[("tests/traps/files.rs", "fn every_spelling_means_the_same(")],
    ),
    (
        4,
        &[
            ("tests/traps/files.rs", "fn every_spelling_means_the_same("),
            ("src/symvers/read/tests.rs", "ExportClass::Unknown"),
        ],
    ),
    (
        5,
        &[
            ("tests/traps/files.rs", "fn every_spelling_means_the_same("),
            ("src/symvers/read/tests.rs", "fn a_crc_is_a_number("),
        ],
    ),
    (
        6,
        &[("tests/traps/files.rs", "fn every_spelling_means_the_same(")],
    ),
    (
        7,
        &[("tests/traps/files.rs", "fn every_spelling_means_the_same(")],
    ),
    (
        8,
        &[
            ("tests/traps/verdicts.rs", "number: 8,"),
            ("tests/errors.rs", "fn baseline_without_crcs("),
        ],
    ),
    (
        9,
        &[
            ("tests/traps/files.rs", "fn every_spelling_means_the_same("),
            (
                "src/symvers/read/tests.rs",
                "fn unseen_export_types_are_kept(",
            ),
        ],
    ),
    (
        10,
        &[
            ("tests/traps/files.rs", "fn other_files_are_told("),
            ("src/symvers/read/tests.rs", "fn bad_lines_are_refused("),
        ],
    ),
    (
        11,
        &[
            ("tests/traps/files.rs", "fn other_files_are_told("),
            ("src/symvers/read/tests.rs", "fn duplicates_are_told("),
        ],
    ),
    (12, &[("tests/traps/files.rs", "fn packed_files_are_read(")]),
    (
        13,
        &[
            ("tests/traps/verdicts.rs", "number: 13,"),
            ("tests/traps/files.rs", "fn other_files_are_told("),
            ("tests/errors.rs", "fn empty_baseline("),
        ],
    ),
    (
        14,
        &[
            ("tests/traps/files.rs", "fn every_spelling_means_the_same("),
            ("src/symvers/read/tests.rs", "fn a_namespace_is_kept("),
        ],
    ),
    (15, &[("tests/traps/verdicts.rs", "number: 15,")]),
    (16, &[("tests/traps/verdicts.rs", "number: 16,")]),
    (17, &[("tests/traps/verdicts.rs", "number: 17,")]),
    (18, &[("tests/traps/verdicts.rs", "number: 18,")]),
    (19, &[("tests/traps/verdicts.rs", "number: 19,")]),
    (20, &[("tests/traps/verdicts.rs", "number: 20,")]),
    (
        21,
        &[
            ("tests/traps/verdicts.rs", "number: 21,"),
            ("src/policy/list/tests.rs", "fn every_family_is_read("),
            ("src/policy/list/tests.rs", "fn bad_lines_are_refused("),
        ],
    ),
    (22, &[("tests/traps/verdicts.rs", "number: 22,")]),
    (
        23,
        &[
            ("tests/traps/verdicts.rs", "number: 23,"),
            (
                "src/policy/list/tests.rs",
                "fn driver_groups_are_consumers(",
            ),
        ],
    ),
    (
        24,
        &[
            ("tests/traps/verdicts.rs", "number: 24,"),
            ("tests/errors.rs", "fn lists_that_protect_nothing("),
        ],
    ),
    (25, &[("tests/traps/verdicts.rs", "number: 25,")]),
    (26, &[("tests/errors.rs", "fn lists_that_protect_nothing(")]),
    (
        27,
        &[
            ("tests/traps/verdicts.rs", "number: 27,"),
            (
                "src/policy/rules/tests.rs",
                "fn severities_as_suse_reads_them(",
            ),
        ],
    ),
    (28, &[("tests/traps/verdicts.rs", "number: 28,")]),
    (29, &[("tests/traps/verdicts.rs", "number: 29,")]),
    (30, &[("tests/traps/verdicts.rs", "number: 30,")]),
    (31, &[("tests/traps/verdicts.rs", "number: 31,")]),
    (32, &[("tests/traps/verdicts.rs", "number: 32,")]),
    (33, &[("tests/traps/verdicts.rs", "number: 33,")]),
    (34, &[("src/policy/rules/tests.rs", "fn severities_lint(")]),
    (
        35,
        &[(
            "tests/traps/types.rs",
            "fn severities_decide_over_a_whole_kernel(",
        )],
    ),
    (
        36,
        &[(
            "tests/traps/approvals.rs",
            "fn printed_entries_approve_once(",
        )],
    ),
    (
        37,
        &[
            (
                "tests/traps/approvals.rs",
                "fn printed_entries_approve_once(",
            ),
            (
                "tests/traps/approvals.rs",
                "fn approvals_look_behind_the_nearest_definition(",
            ),
        ],
    ),
    (
        38,
        &[(
            "tests/traps/approvals.rs",
            "fn a_change_that_was_picked_is_the_same_change(",
        )],
    ),
    (
        39,
        &[
            ("tests/policy.rs", "fn edits_are_told_and_not_used("),
            ("tests/policy.rs", "fn a_range_cannot_bring_its_baseline("),
        ],
    ),
    (40, &[("tests/traps/types.rs", "number: 40,")]),
    (41, &[("tests/traps/types.rs", "number: 41,")]),
    (42, &[("tests/traps/types.rs", "number: 42,")]),
    (43, &[("tests/traps/types.rs", "number: 43,")]),
    (44, &[("tests/traps/types.rs", "number: 44,")]),
    (45, &[("tests/traps/types.rs", "number: 45,")]),
    (46, &[("tests/traps/types.rs", "number: 46,")]),
    (47, &[("tests/traps/types.rs", "number: 47,")]),
    (
        48,
        &[(
            "src/compare/traps.rs",
            "fn chain_of_a_hundred_thousand_structs(",
        )],
    ),
    (
        49,
        &[(
            "src/compare/traps.rs",
            "fn component_of_seven_hundred_types(",
        )],
    ),
    (50, &[("tests/traps/types.rs", "number: 50,")]),
    (51, &[("tests/traps/types.rs", "number: 51,")]),
    (52, &[("tests/traps/types.rs", "number: 52,")]),
    (
        53,
        &[
            ("tests/traps/types.rs", "fn earlier_definitions_stand_in("),
            ("src/symtypes/consolidated_tests.rs", "fn older_dialect("),
        ],
    ),
    (
        54,
        &[
            ("tests/traps/types.rs", "number: 54,"),
            (
                "src/symtypes/consolidated_tests.rs",
                "fn quoted_and_foreign_names(",
            ),
        ],
    ),
    (55, &[("tests/traps/types.rs", "fn foreign_types(")]),
    (
        56,
        &[
            ("tests/traps/types.rs", "fn types_that_contradict_the_crcs("),
            ("tests/errors.rs", "fn inconsistent_baseline("),
        ],
    ),
    (57, &[("tests/traps/types.rs", "fn foreign_types(")]),
    (
        58,
        &[(
            "tests/traps/types.rs",
            "fn visibility_is_a_matter_of_the_text_before_the_export(",
        )],
    ),
    (
        59,
        &[
            ("tests/traps/types.rs", "fn what_the_crc_does_not_cover("),
            (
                "tests/hidden.rs",
                "fn hidden_changes_are_proven_or_refuted(",
            ),
        ],
    ),
    (
        60,
        &[(
            "tests/traps/types.rs",
            "fn visibility_is_a_matter_of_the_text_before_the_export(",
        )],
    ),
    (
        61,
        &[("src/modules/resolve/tests.rs", "fn the_licence_decides(")],
    ),
    (
        62,
        &[(
            "src/modules/resolve/tests.rs",
            "fn weak_imports_may_be_absent(",
        )],
    ),
    (
        63,
        &[(
            "src/modules/resolve/tests.rs",
            "fn weak_imports_may_be_absent(",
        )],
    ),
    (
        64,
        &[
            (
                "src/modules/resolve/tests.rs",
                "fn missing_records_are_told(",
            ),
            ("src/modules/resolve/tests.rs", "fn facts_decide("),
        ],
    ),
    (
        65,
        &[("src/modules/impact/tests.rs", "fn refusals_spread(")],
    ),
    (
        66,
        &[("src/modules/tokens.rs", "ksym(desktop:mutex_trylock)")],
    ),
    (67, &[("src/modules/resolve/tests.rs", "fn facts_decide(")]),
    (
        68,
        &[("src/modules/module/tests.rs", "fn extended_records_count(")],
    ),
    (
        69,
        &[(
            "src/modules/module/tests.rs",
            "fn every_class_and_byte_order_is_read(",
        )],
    ),
    (
        70,
        &[(
            "src/modules/module/tests.rs",
            "fn packed_and_signed_modules_are_read(",
        )],
    ),
    (
        71,
        &[(
            "src/modules/archive/tests.rs",
            "fn unreadable_payloads_are_judged_by_tokens(",
        )],
    ),
    (
        72,
        &[(
            "src/modules/resolve/tests.rs",
            "fn unknown_providers_are_told(",
        )],
    ),
    (73, &[("tests/traps/verdicts.rs", "number: 73,")]),
    (74, &[("tests/gate.rs", "fn observing_hides_only_breaks(")]),
    (
        75,
        &[("src/history/tests/ranges.rs", "fn a_merge_is_one_step(")],
    ),
    (
        76,
        &[
            ("tests/errors.rs", "fn other_configuration("),
            ("tests/gate.rs", "fn foreign_baselines_are_refused("),
        ],
    ),
    (
        77,
        &[
            (
                "src/history/tests/clones.rs",
                "fn a_range_across_the_shallow_boundary_names_the_command(",
            ),
            (
                "src/history/tests/clones.rs",
                "fn a_partial_clone_is_refused_until_it_is_completed(",
            ),
            ("tests/errors.rs", "fn shallow_clone("),
        ],
    ),
    (
        78,
        &[
            (
                "tests/traps/runs.rs",
                "fn running_twice_gives_the_same_bytes(",
            ),
            (
                "tests/gate.rs",
                "fn from_scratch_is_byte_for_byte_the_same(",
            ),
        ],
    ),
    (
        79,
        &[("tests/traps/runs.rs", "fn a_reader_that_goes_away(")],
    ),
    (
        80,
        &[
            ("src/report/tests.rs", "fn logs_hold_no_strangers_command("),
            (
                "src/report/tests.rs",
                "fn markdown_of_hostile_text_keeps_its_structure(",
            ),
            (
                "src/report/tests.rs",
                "fn junit_reads_back_every_character(",
            ),
        ],
    ),
];

/// Every trap has a test that exists.
#[test]
fn every_trap_has_its_test() {
    let numbers: Vec<u32> = TABLE.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<u32>>());
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (number, tests) in TABLE {
        assert!(!tests.is_empty(), "trap {number}");
        for (file, words) in *tests {
            let text = std::fs::read_to_string(top.join(file)).unwrap();
            assert!(
                text.contains(words),
                "trap {number}: no {words:?} in {file}"
            );
        }
    }
}
