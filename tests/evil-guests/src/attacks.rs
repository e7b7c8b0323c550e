//! The list of all attacks, for the guest that makes them and for the tests that hold against them.

/// Calls a macro with the name of every attack. An attack that the guest does not make, or that no test is named after,
/// does not compile.
#[macro_export]
macro_rules! for_each_attack {
    ($macro:ident) => {
        $macro! {
            // What WASI could give away.
            read_a_file,
            forge_a_file_descriptor,
            open_a_socket,
            resolve_a_name,
            read_the_environment,
            read_standard_input,
            look_at_the_clock,
            draw_random_numbers,
            sleep_for_an_hour,
            exit_the_process,
            hoard_handles,
            // Time, memory, stack and log.
            endless_loop_in_prepare,
            endless_loop_in_translate,
            endless_loop_in_convert,
            memory_bomb,
            two_hundred_mib,
            deep_recursion,
            flood_of_debug_logs,
            flood_of_error_logs,
            flood_of_output,
            panic_with_a_huge_message,
            // Answers that are too large.
            huge_plan,
            huge_output,
            huge_number_of_rejections,
            // Answers that break the contract.
            plan_without_points,
            plan_for_a_column_that_does_not_exist,
            plan_with_a_translation_that_does_not_exist,
            plan_with_a_mask_that_does_not_exist,
            plan_with_a_key_that_cannot_be_written,
            plan_with_a_measurement_that_is_a_comment,
            name_that_is_not_utf8,
            problems_without_a_problem,
            problem_that_forges_log_lines,
            offsets_out_of_order,
            offsets_beyond_the_data,
            translation_too_short,
            translation_that_is_not_utf8,
            dictionary_that_is_not_utf8,
            dictionary_with_a_character_cut_in_two,
            code_out_of_range,
            mask_too_short,
            validity_too_short,
            computed_column_missing,
            computed_column_too_short,
            computed_column_of_another_type,
            row_number_beyond_the_batch,
            rejection_code_that_forges_log_lines,
            // Odd, and allowed.
            duplicate_keys,
            talk_to_itself,
        }
    };
}
