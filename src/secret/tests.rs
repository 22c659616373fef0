use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::json;

#[test]
fn a_secret_is_hidden_in_every_encoding() {
    let secrets = Secrets::default();
    secrets.add("p@ss w\"rd");
    for shown in
        ["p@ss w\"rd", "p%40ss+w%22rd", "p%40ss%20w%22rd", "cEBzcyB3InJk", "704073732077227264", r#"p@ss w\"rd"#]
    {
        let hidden = secrets.hide(&format!("x {shown} y"));
        assert!(hidden.contains(HIDDEN) && !hidden.contains("ss"), "{shown} -> {hidden}");
    }
}

proptest::proptest! {
    /// Basic credentials are one: the value is in the middle of what is encoded.
    #[test]
    fn a_secret_is_hidden_wherever_it_begins_in_base64(before in "[a-z:]{0,7}", after in "[a-z:]{0,7}") {
        let secrets = Secrets::default();
        secrets.add("Zebra-1?quilt>");
        let text = format!("{before}Zebra-1?quilt>{after}");
        for encoded in [STANDARD_NO_PAD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            let hidden = secrets.hide(&encoded);
            proptest::prop_assert!(hidden.contains(HIDDEN), "{encoded} -> {hidden}");
            proptest::prop_assert!(secrets.may_be_in(encoded.as_bytes()));
        }
    }
}

#[test]
fn what_the_wire_shows_is_remembered_if_it_is_no_plain_word() {
    let secrets = Secrets::default();
    secrets.learn_cookie("h", "a=quiet-forest-17; Path=/; HttpOnly");
    secrets.learn_cookie("h", "theme=very-dark-theme; Path=/");
    secrets.learn_cookie("h", "my_session=calm-river-99");
    secrets.learn_authorization("h", "Custom loud-thunder-5");
    let hidden = secrets.hide("quiet-forest-17 very-dark-theme CALM-RIVER-99 loud-thunder-5");
    assert_eq!(hidden, format!("{HIDDEN} very-dark-theme {HIDDEN} {HIDDEN}"));
}

#[test]
fn a_session_that_is_new_with_every_answer_is_known_however_many_there_were() {
    let secrets = Secrets::default();
    secrets.learn_cookie("app.example", "login=set-only-once-1; HttpOnly");
    secrets.learn_authorization("api.example", "Bearer shown-only-once-2");
    for n in 0..2000 {
        secrets.learn_cookie("app.example", &format!("my_session=calm-river-{n}; HttpOnly"));
        secrets.learn_cookie("app.example", &format!("my_session=calm-river-{n}; HttpOnly"));
    }
    for known in ["set-only-once-1", "shown-only-once-2", "calm-river-1999", "CALM-river-1990"] {
        assert!(secrets.may_be_in(known.as_bytes()), "{known}");
        assert_eq!(secrets.hide(&format!("is {known}.")), format!("is {HIDDEN}."));
    }
    // The same name on another host is another.
    secrets.learn_cookie("other.example", "my_session=calm-river-other; HttpOnly");
    let newest = |n: &usize| secrets.may_be_in(format!("calm-river-{n}").as_bytes());
    assert_eq!((0..2000).filter(newest).count(), learnt::OF_A_NAME);
}

#[test]
fn what_was_learnt_is_hidden_in_every_encoding() {
    let secrets = Secrets::default();
    secrets.learn_cookie("h", "sid=a<b>&c'd/e f; HttpOnly");
    for shown in ["a%3Cb%3E%26c'd%2Fe%20f", r"a\u003cb\u003e\u0026c'd\/e f", "A&lt;B&gt;&amp;C&#x27;D/E F"] {
        assert_eq!(secrets.hide(&format!("x {shown} y")), format!("x {HIDDEN} y"));
    }
    let within = STANDARD_NO_PAD.encode("x:a<b>&c'd/e f:y");
    assert!(secrets.hide(&within).contains(HIDDEN), "{within}");
}

#[test]
fn of_secrets_that_are_parts_of_each_other_nothing_is_left() {
    let secrets = Secrets::default();
    secrets.add("hunter22");
    secrets.learn_cookie("h", "sid=quiet-hunter22-forest; HttpOnly");
    secrets.add("river/calm-stone");
    secrets.learn_cookie("h", "other=calm-stone-99; HttpOnly");
    let hidden = secrets.hide("1 quiet-hunter22-forest 2 river/calm-stone-99 3 hunter22hunter22");
    assert_eq!(hidden, format!("1 {HIDDEN} 2 {HIDDEN} 3 {HIDDEN}{HIDDEN}"));
}

#[test]
fn a_value_under_a_telling_name_is_hidden_in_what_an_app_says() {
    let secrets = Secrets::default();
    let said = json!({ "app": { "authToken": "plain", "session_id": "s-1", "n": 1 } });
    let mut hidden = said.clone();
    secrets.hide_in(&mut hidden);
    assert_eq!(hidden, json!({ "app": { "authToken": HIDDEN, "session_id": "s-1", "n": 1 } }));
    for (said, wanted) in [
        (
            json!({ "otp": 493027, "password": ["hunter22"], "ann@example.org": 1 }),
            json!({ "otp": HIDDEN, "password": HIDDEN, HIDDEN: 1 }),
        ),
        (json!([{ "auth": { "user": "ann", "key": 7 } }]), json!([{ "auth": HIDDEN }])),
        (
            json!({ "accessTokens": ["a", "b"], "cookies": [{ "a": 1 }] }),
            json!({ "accessTokens": HIDDEN, "cookies": HIDDEN }),
        ),
        (
            json!({ "a@b.example": 1, "c@d.example": [2], "e": 3 }),
            json!({ HIDDEN: 1, format!("{HIDDEN} 2"): [2], "e": 3 }),
        ),
    ] {
        for hide in [Secrets::hide_in, Secrets::hide_said] {
            let mut hidden = said.clone();
            hide(&secrets, &mut hidden);
            assert_eq!(hidden, wanted);
        }
    }
    let harmless = json!({
        "token": true, "otp": 12, "password": null, "cookies": [], "auth": {}, "tokens": 150000, "session_id": 493027,
        "signature_valid": false, "steps": ["step one"], "pass": [],
    });
    let mut kept = harmless.clone();
    secrets.hide_said(&mut kept);
    assert_eq!(kept, harmless);
}

/// A login of the app's may be called as a field of ours is.
#[test]
fn a_known_secret_is_no_name_that_somebody_else_gives_and_leaves_ours_alone() {
    let secrets = Secrets::default();
    secrets.add("status");
    let said = json!({ "status": 200, "in": [{ "its_status_too": "my status" }] });
    let (mut ours, mut theirs) = (said.clone(), said);
    secrets.hide_in(&mut ours);
    secrets.hide_said(&mut theirs);
    assert_eq!(ours, json!({ "status": 200, "in": [{ "its_status_too": format!("my {HIDDEN}") }] }));
    let renamed = format!("its_{HIDDEN}_too");
    assert_eq!(theirs, json!({ HIDDEN: 200, "in": [{ renamed: format!("my {HIDDEN}") }] }));
}

#[test]
fn what_looks_like_a_secret_is_hidden_and_the_rest_is_not() {
    let s = Secrets::default();
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123";
    assert_eq!(s.hide(&format!("got {jwt}!")), format!("got {HIDDEN}!"));
    assert_eq!(s.hide("sent Bearer abcdef, ok"), format!("sent Bearer {HIDDEN}, ok"));
    assert_eq!(s.hide("mail ann@example.org now"), format!("mail {HIDDEN} now"));
    assert!(!s.hide("at http://me:hunter2@h/x").contains("hunter2"));
    assert!(!s.hide("at http://h/x?a=1&token=abc9").contains("abc9"));
    let plain = "Error at http://h/p.js?v=1:3:9 (@media) a@b";
    assert_eq!(s.hide(plain), plain);
}

proptest::proptest! {
    /// Browsers quote URLs with whatever their language does.
    #[test]
    fn any_text_may_come(text in "[‘’“”«»é a-z@:/?=&.]{0,40}", url in "https?://[a-zé]{0,5}[‘’?=&@:a-z]{0,10}") {
        let hidden = Secrets::default().hide(&format!("{text}{url}{text}"));
        let quoted = Secrets::default().hide(&format!("‘http://h/?token=abc9’ {text}"));
        proptest::prop_assert!(!hidden.is_empty() && !quoted.contains("abc9"));
    }
}

#[test]
fn a_missing_variable_is_the_authors_move() {
    let error = Secrets::default().resolve("env:SOUNDCHECK_SURELY_UNSET").expect_err("unset");
    assert_eq!(error.whose(), crate::error::Whose::Author);
}
