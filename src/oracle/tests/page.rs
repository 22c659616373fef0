use super::*;

fn opened() -> Book {
    Book::new("the page", Before { t: BEGAN, has_canvas: true, ..Before::default() })
}

#[test]
fn a_page_with_its_canvas_holds_at_its_load() {
    near(opened().see(INPUT, Seen::Document(200)).see(INPUT + 50.0, Seen::Loaded(true)).held(), 150.0);
}

#[test]
fn a_refused_or_unreachable_page_fails_at_once() {
    let at_once = |seen| opened().see(INPUT, seen).outcome.expect("at once").failed.expect("it fails");
    assert_eq!(at_once(Seen::Document(503)), "the page answered 503");
    assert!(at_once(Seen::Unreachable("refused".to_owned())).contains("could not be had: refused"));
}

#[test]
fn a_page_without_its_canvas_or_without_a_load_fails_in_time() {
    assert!(opened().see(INPUT, Seen::Loaded(false)).failed().starts_with("the page loaded without the app's canvas"));
    let thrown = Seen::Exception("ReferenceError: Hydra".to_owned());
    let why = opened().see(INPUT, thrown).failed();
    assert!(why.starts_with("the page did not finish loading in 30"), "{why}");
    assert!(why.ends_with("uncaught: ReferenceError: Hydra"), "{why}");
}
