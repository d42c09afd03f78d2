"""Where each of the 107 groups of the bad-input catalogue is tested, or why it is not yet.

The tables `catalogue_*` speak for themselves.  Here is the rest: a test elsewhere (``file::function``), or a reason
that begins with ``later:`` (what it would attack does not exist yet).  Differences from the catalogue stand in the
tables as `Case.better`.
"""

HERE = "tests/hostile/"
_REST = HERE + "test_rest_of_the_catalogue.py::"
_TLS = HERE + "test_catalogue_b_tls.py::"
_SLOW = HERE + "test_slow_and_many.py::"
_OUT = HERE + "test_smuggling_out.py::"
_SENDERAUTH = "tests/unit/senderauth/"
_MESSAGES = HERE + "test_hostile_messages.py::test_nobody_waits_for_a_hostile_message"

ELSEWHERE: dict[int, tuple[str, ...]] = {
    13: (_SLOW + "test_13_endless_data_is_cut_off",),
    15: (_REST + "test_15_who_talks_before_the_greeting_is_refused",),
    19: (_OUT + "test_in_by_smtp", _OUT + "test_in_by_the_local_commands", _OUT + "test_true_ends_inside_a_message_stay_inside"),
    20: ("later: no hop through a filter, proxy or milter exists; the doors that do are in test_smuggling_out",),
    21: (_TLS + "test_21_what_stands_behind_starttls_is_void", _TLS + "test_21_clear_text_after_220_is_never_taken_for_protected"),
    22: (_TLS + "test_22_everything_from_before_is_forgotten",),
    23: (_TLS + "test_23_twice_with_an_argument_and_inside_a_message",),
    24: (HERE + "test_catalogue_d_auth.py::test_auth_on_587_waits_for_tls",),
    25: (_TLS + "test_25_no_handshake_no_session",),
    26: (_TLS + "test_26_names_in_the_hello",),
    27: (_TLS + "test_27_what_is_too_old", _TLS + "test_27_no_renegotiation", _TLS + "test_27_another_protocol_by_alpn_gets_no_word_of_smtp_obeyed"),
    28: (_TLS + "test_28_a_client_certificate_grants_nothing",),
    29: (HERE + "test_hostile_servers.py::test_all_of_them_at_once", "tests/unit/net/test_tls.py::test_a_server_that_speaks_before_the_handshake_is_refused_by_the_client", "tests/integration/test_delivery_tls.py::test_matrix"),
    30: ("tests/integration/test_delivery_tls.py::test_matrix", "tests/integration/test_delivery_tls.py::test_no_fallback_where_the_operator_forbids_it"),
    31: ("tests/integration/test_delivery_tls.py::test_matrix",),
    47: ("tests/unit/delivery/test_maildir.py::test_hostile_local_parts_stay_inside",),
    55: (_REST + "test_55_proxy_headers_only_where_they_are_expected",),
    61: (HERE + "test_login_timing.py::test_unknown_user_and_wrong_password_take_as_long",),
    62: (HERE + "test_catalogue_d_auth.py::test_guessing_from_one_address_ends_there_and_nowhere_else",),
    64: (
        "tests/unit/identity/test_identity_sasl.py::test_a_replayed_proof_fails",
        "tests/unit/identity/test_identity_sasl.py::test_a_wrong_binding_fails",
        "tests/unit/identity/test_identity_sasl.py::test_a_binding_that_somebody_took_off_the_list_is_noticed",
    ),
    73: ("tests/integration/test_delivery_faults.py::test_8bit_is_converted_where_it_must_be", "tests/interop/test_servers_replies.py::test_eight_bits_are_converted_where_the_server_takes_seven"),
    74: (_SLOW + "test_74_tiny_chunks_do_not_hold_up_the_others",),
    78: (_MESSAGES,),
    79: (_MESSAGES,),
    80: (_MESSAGES,),
    81: ("later: nothing looks into archives of mail; packed reports are in tests/unit/reports",),
    82: (_MESSAGES,),
    83: (_MESSAGES,),
    84: (_MESSAGES, "tests/fuzz/test_targets.py::test_nothing_and_everything"),
    86: (_SENDERAUTH + "test_results.py::test_posing",),
    87: ("tests/integration/test_fate_reports.py::test_the_null_sender_is_never_answered",),
    88: ("tests/unit/message/test_compose.py::test_no_value_can_end_its_line", "later: there is no HTTP API to send by"),
    89: ("later: there is no dashboard",),
    90: (_SENDERAUTH + "test_spf_suite.py::test_openspf_suite", _SENDERAUTH + "test_spf.py::test_the_worst_record_is_cheap"),
    91: (_SENDERAUTH + "dkim/test_verify.py::test_a_length_is_noted_and_distrusted",),
    92: (_SENDERAUTH + "dkim/test_signing.py::test_what_nobody_may_add_is_oversigned",),
    93: (_SENDERAUTH + "dkim/test_verify.py::test_many_signatures_are_bounded_and_the_authors_come_first", _SENDERAUTH + "dkim/test_verify.py::test_small_and_large_keys_are_refused"),
    94: ("later: rates of accounts and replay of signatures belong to the guard",),
    95: (_SENDERAUTH + "arc/test_chain.py::test_no_more_than_fifty_sets", "tests/unit/reports/test_received_reports.py::test_bombs_and_broken_reports"),
    96: ("later: blocklists are not asked yet",),
    97: ("tests/unit/net/test_connect.py::test_whom_we_never_call", "later: no MTA-STS policy, autoconfig or webhook is fetched yet"),
    98: ("tests/interop/test_servers_dns.py::test_domain", "tests/unit/delivery/test_mx.py::test_two_hundred_hosts_are_ten"),
    99: ("tests/unit/net/test_dns.py::test_answers_with_a_wrong_id_are_ignored", "tests/fuzz/test_targets.py::test_invariant"),
    100: (_REST + "test_100_nothing_a_peer_says_steers_a_log_or_a_terminal",),
    101: ("later: no webhook is sent or taken",),
    102: ("later: the admin port has figures and health only, and takes no command",),
    103: (_SLOW + "test_103_a_record_has_a_deadline_however_it_trickles", _SLOW + "test_103_a_session_has_a_deadline"),
    104: (_SLOW + "test_104_connections_per_address_and_network", _SLOW + "test_104_messages_per_address_and_network"),
    105: (_SLOW + "test_105_a_client_that_never_reads_is_let_go",),
    106: (_TLS + "test_106_a_flood_of_handshakes_leaves_honest_clients_alone",),
    107: (_REST + "test_107_half_finished_messages_cost_disk_and_not_memory", _REST + "test_107_below_the_mark_of_free_disk_nothing_is_taken"),
}  # fmt: skip
