//! Which requests and connections a rule is for, how often, and who decides.

use super::wants::*;
use super::*;
use crate::fault::rule::{Nth, Rule, Scope, When};
use crate::fault::{Action, Cut, Edit, Point, at};

#[tokio::test]
async fn rules_count_by_their_scope() {
    let second = |scope| {
        let when = When { nth: Some(Nth::Is(2)), ..When::default() };
        let fault = Wants {
            response: vec![at(Point::Head, Action::Edit(Edit::Add("X".into(), "y".into())))],
            ..Wants::default()
        };
        Rule { when, scope, ..rule("f", fault) }
    };
    for (scope, wanted) in [
        (Scope::Link, [false, true, false, false]),
        (Scope::Client, [false, true, false, false]),
        (Scope::Connection, [false, true, false, true]),
    ] {
        let rig = rig(&ten(), vec![second(scope)]).await;
        let mut fired = Vec::new();
        for _ in 0..2 {
            let mut client = rig.client().await;
            for _ in 0..2 {
                fired.push(get_of(&mut client, 10).await.0.contains("X: y"));
            }
        }
        assert_eq!(fired, wanted, "{scope:?}");
        rig.proxy.reset();
        assert_eq!(rig.proxy.tally()[0].requests, 0);
    }
}

#[tokio::test]
async fn a_probability_is_drawn_anew_on_each_connection() {
    let add =
        Wants { response: vec![at(Point::Head, Action::Edit(Edit::Add("X".into(), "y".into())))], ..Wants::default() };
    let half = |fault| Rule { probability: 0.5, scope: Scope::Connection, ..rule("half", fault) };
    let requests = rig(&ten(), vec![half(add)]).await;
    let mut fired = Vec::new();
    for _ in 0..32 {
        fired.push(get_of(&mut requests.client().await, 10).await.0.contains("X: y"));
    }
    assert!(fired.contains(&true) && fired.contains(&false), "{fired:?}");
    let cut = Wants { accept: vec![at(Point::Accept, Action::Cut(Cut::Fin))], ..Wants::default() };
    let connections = rig(&ten(), vec![half(cut)]).await;
    for _ in 0..32 {
        let mut client = connections.client().await;
        let _ = client.socket.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let _ = client.rest().await;
    }
    assert!((1..32).contains(&connections.proxy.tally()[0].applied), "{:?}", connections.proxy.tally());
}

#[tokio::test]
async fn what_people_ask_for_waits_until_it_is_done() {
    // It has nothing to do with an answer without a body.
    let rules = vec![on_response(vec![at(Point::Body(5), Action::Cut(Cut::Fin))])];
    let rig = rig("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", rules).await;
    assert!(rig.proxy.set_armed("f", false) && rig.proxy.fire("f"));
    let mut client = rig.client().await;
    get_of(&mut client, 0).await;
    get_of(&mut client, 0).await;
    // An exchange is over a moment after its answer has come.
    for _ in 0..100 {
        if rig.proxy.standing()[0].waiting > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let standing = rig.proxy.standing();
    assert_eq!((standing[0].waiting, standing[0].tally.matched, standing[0].tally.applied), (1, 2, 0));
}

#[tokio::test]
async fn a_fault_of_whole_connections_reaches_a_client_that_keeps_its_own() {
    let cut = Rule { armed: false, ..on_accept(vec![at(Point::Accept, Action::Cut(Cut::Fin))]) };
    let rig = rig(&ten(), vec![cut]).await;
    let mut client = rig.client().await;
    for _ in 0..2 {
        assert_eq!(get_of(&mut client, 10).await.1, "0123456789");
    }
    // An exchange is over a moment after its answer has come.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(rig.proxy.set_armed("f", true));
    assert_eq!(get_of(&mut client, 10).await.1, "0123456789", "whole, and the last");
    assert_eq!(client.rest().await.0, "");
    assert_eq!(rig.client().await.rest().await.0, "", "the next one meets it");
    assert_eq!(rig.proxy.tally()[0].applied, 1);
}

#[tokio::test]
async fn times_and_probability_limit_and_fire_overrules_both() {
    let add =
        Wants { response: vec![at(Point::Head, Action::Edit(Edit::Add("X".into(), "y".into())))], ..Wants::default() };
    let twice = Rule { times: Some(2), ..rule("twice", add.clone()) };
    let first = rig(&ten(), vec![twice]).await;
    let mut client = first.client().await;
    let mut fired = Vec::new();
    for _ in 0..4 {
        fired.push(get_of(&mut client, 10).await.0.contains("X: y"));
    }
    assert_eq!(fired, [true, true, false, false]);
    assert!(first.proxy.fire("twice") && !first.proxy.fire("none"));
    assert_eq!(first.proxy.standing()[0].waiting, 1);
    assert!(get_of(&mut client, 10).await.0.contains("X: y"));
    assert!(!get_of(&mut client, 10).await.0.contains("X: y"));
    assert_eq!(first.proxy.standing()[0].waiting, 0);
    assert!(first.proxy.set_armed("twice", false));
    first.proxy.reset();
    assert!(!get_of(&mut client, 10).await.0.contains("X: y"));
    // The same seed, the same decisions; some fire and some do not.
    let half = Rule { probability: 0.5, ..rule("half", add) };
    let rig = rig(&ten(), vec![half.clone()]).await;
    let mut client = rig.client().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        rig.proxy.arm(Armed { rules: vec![half.clone()], seed: 1, journey: "j".into() });
        let mut fired = Vec::new();
        for _ in 0..32 {
            fired.push(get_of(&mut client, 10).await.0.contains("X: y"));
        }
        assert!(fired.contains(&true) && fired.contains(&false));
        runs.push(fired);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_fault_of_another_leg_is_left_out() {
    let mut upstream = on_response(vec![at(Point::Head, Action::Cut(Cut::Fin))]);
    upstream.leg = Leg::Upstream;
    let rig = rig(&ten(), vec![upstream]).await;
    assert_eq!(get_of(&mut rig.client().await, 10).await.1, "0123456789");
    assert_eq!(rig.proxy.tally(), []);
}
